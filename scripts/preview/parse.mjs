// Reads mermaid charts with each version that GitHub had, has or may have. In: a JSON list of texts on standard input.
// Out: a line for each chart that a version refuses, with the version's own words; exit code 1 if there is any.
import { JSDOM } from "jsdom";
import { readFileSync } from "node:fs";

const { window } = new JSDOM("<!doctype html><body></body>", { pretendToBeVisual: true });
for (const name of ["window", "document", "navigator", "Element", "HTMLElement", "SVGElement", "DOMParser"]) {
  Object.defineProperty(globalThis, name, { value: name === "window" ? window : window[name], configurable: true });
}
const charts = JSON.parse(readFileSync(0, "utf8"));
let refused = 0;
for (const version of ["mermaid-10", "mermaid-11", "mermaid-newest"]) {
  const { version: exact } = JSON.parse(readFileSync(new URL(`node_modules/${version}/package.json`, import.meta.url)));
  const { default: mermaid } = await import(version);
  mermaid.initialize({ startOnLoad: false });
  let read = 0;
  for (const chart of charts) {
    try {
      await mermaid.parse(chart);
      read += 1;
    } catch (error) {
      console.log(`mermaid ${exact} refuses ${JSON.stringify(chart)}: ${error.message ?? error}`);
      refused += 1;
    }
  }
  console.log(`mermaid ${exact} reads ${read} of ${charts.length}`);
}
process.exitCode = refused ? 1 : 0;
