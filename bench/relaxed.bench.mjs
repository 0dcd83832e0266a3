// The relaxed build against the baseline build of the same kernels, in the same rounds. Needs an
// engine that has relaxed SIMD: Node 22 or newer.
//
//   node bench/relaxed.bench.mjs [--only REGEXP]
//
// Run `npm run build:wasm` first.

import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { kernelRows } from "./lib/kernel-rows.mjs";
import { loadSource } from "./lib/load-source.mjs";
import { interleave, speedRatio, spread } from "./lib/measure.mjs";

const { values: options } = parseArgs({ options: { only: { type: "string", default: "" } } });
const SIZES = [
  { count: 1 << 12, rounds: 61 },
  { count: 1 << 16, rounds: 61 },
  { count: 1 << 22, rounds: 21 },
];

const library = await loadSource();
const rowsOf = (file, count) => {
  const bytes = readFileSync(new URL(`../build/${file}`, import.meta.url));
  const { kernels } = library.createKernelSet("wasm", { module: new WebAssembly.Module(bytes) });
  return kernelRows(kernels, library, count);
};

const { bun, node } = process.versions;
console.log(`${cpus()[0]?.model.trim()}, ${bun === undefined ? `Node ${node}` : `Bun ${bun}`}`);
for (const { count, rounds } of SIZES) {
  console.log(`\n${count} values: Gval/s of baseline and relaxed, and their ratio (p10 to p90)`);
  const relaxed = rowsOf("kernels-relaxed.wasm", count);
  const baseline = rowsOf("kernels.wasm", count);
  for (const [at, { name, contestants: own }] of baseline.entries()) {
    if (!new RegExp(options.only).test(name)) continue;
    const contestants = { baseline: own.ours, relaxed: relaxed[at].contestants.ours };
    const samples = interleave(contestants, rounds);
    const speed = (times) => (count / spread(times).median / 1e6).toFixed(2).padStart(6);
    const { median, p10, p90 } = speedRatio(samples, "relaxed", "baseline");
    const ratio = `${median.toFixed(2)} (${p10.toFixed(2)} to ${p90.toFixed(2)})`;
    console.log(name.padEnd(36), speed(samples.baseline), speed(samples.relaxed), ` ${ratio}`);
  }
}
