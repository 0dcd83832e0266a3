// Every benchmark after the other, each in a process of its own; tables and bench/results*.md.
//
//   node bench/run.mjs [NAME …] [--quick]
//
// Names are those of bench/NAME.bench.mjs. --quick tries that all run, and writes nothing.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** Arguments with which each writes its results. */
const BENCHES = {
  kernels: ["--write"],
  library: ["--write"],
  peers: ["--write"],
  growth: ["--write"],
  linear: ["--write"],
  threads: ["--write"],
  engines: ["--write"],
  convert: [],
};
/** Those that can be tried in seconds. */
const QUICK = ["kernels", "library", "peers", "growth", "engines"];

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: "boolean", default: false } },
});
const names = positionals.length > 0 ? positionals : flags.quick ? QUICK : Object.keys(BENCHES);
const failed = [];
for (const name of names) {
  const allowed = flags.quick ? QUICK : Object.keys(BENCHES);
  if (!allowed.includes(name)) throw new Error(`${name}: expected one of ${allowed.join(", ")}`);
  const script = fileURLToPath(new URL(`${name}.bench.mjs`, import.meta.url));
  console.log(`\n== ${name}`);
  const args = [script, ...(flags.quick ? ["--quick"] : BENCHES[name])];
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
  if (status !== 0) failed.push(name);
}
if (failed.length > 0) {
  console.error(`\nfailed: ${failed.join(", ")}`);
  process.exitCode = 1;
}
