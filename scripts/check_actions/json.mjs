// @actions/workflow-parser imports JSON as bundlers do, without saying so. Node wants it said: here it becomes a module.
import { readFileSync } from "node:fs";
import module from "node:module";
import { isMainThread } from "node:worker_threads";

export function load(url, context, next) {
  if (!url.endsWith(".json")) return next(url, context);
  return { format: "module", source: `export default ${readFileSync(new URL(url), "utf8")}`, shortCircuit: true };
}

if (module.registerHooks) module.registerHooks({ load });
else if (isMainThread) module.register(import.meta.url);
