// Kernel throughput as ratios to memcpy and to plain JavaScript, measured in the same rounds.
//
//   node bench/kernels.bench.mjs [--only TEXT] [--write] [--quick]
//
// --write also records the tables in bench/results.md; --quick only tries that all runs. Run
// `npm run build:wasm` first.

import { parseArgs } from "node:util";
import { kernelRows } from "./lib/kernel-rows.mjs";
import { loadSource } from "./lib/load-source.mjs";
import { interleave, QUICK, speedRatio, spread } from "./lib/measure.mjs";
import { putSection, setting, tableOf, withSpread } from "./lib/results.mjs";
import { meantRate } from "./lib/targets.mjs";

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    write: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
  },
});

const SIZES = options.quick
  ? [{ title: "Quick", count: 1 << 12, rounds: 3, pace: QUICK }]
  : [
      { title: "In cache: 65,536 values", count: 1 << 16, rounds: 61 },
      { title: "Out of cache: 16,777,216 values", count: 1 << 24, rounds: 15 },
    ];

const HEAD = ["kernel", "Gval/s", "meant", "× memcpy", "target"];
const BASES = { tuned: "× tuned JS", naive: "× naive JS" };

const library = await loadSource();
const report = [
  setting(),
  "",
  "Data lie in WebAssembly memory. *Meant* is the target for the ratio to memcpy as a rate on the machine that it was set",
  "on, where memcpy ran at 14 Gval/s in cache and 2.5 out of it; — means that no target is set. *JS* is plain JavaScript,",
  "as one writes it at first and as fast as it gets.",
];
let missed = 0;
for (const { title, count, rounds, pace } of SIZES) {
  const { kernels, report: chosen } = library.createKernelSet("wasm");
  const major = process.versions.node.split(".")[0];
  const rows = kernelRows(kernels, library, count, `node ${major}`);
  const cells = rows
    .filter(({ name }) => name.includes(options.only))
    .map((row) => cellsOf(row, count, rounds, pace));
  const head = [...HEAD, ...Object.values(BASES).flatMap((base) => [base, "target"]), ""];
  const table = tableOf(head, cells);
  report.push("", `### ${title}`, "", `Kernels: ${chosen.simd} SIMD.`, "", table);
  console.log(`\n${title}, ${chosen.simd} SIMD\n${table}`);
}
console.log(missed === 0 ? "\nAll targets reached." : `\n${missed} rows miss a target.`);
if (options.write) putSection("Kernels", report.join("\n"));

function cellsOf({ name, contestants, targets }, count, rounds, pace) {
  const samples = interleave(contestants, rounds, pace);
  const speed = spread(samples.ours.map((ms) => count / ms / 1e6));
  const missing = [];
  const ratioCells = (base) => {
    if (samples[base] === undefined) return ["", ""];
    const ratio = speedRatio(samples, "ours", base);
    const target = targets[base];
    if (target !== undefined && ratio.median < target) missing.push(base);
    return [withSpread(ratio), target ?? "—"];
  };
  const meant = targets.memcpy === undefined ? undefined : meantRate(targets.memcpy, count);
  if (meant !== undefined && speed.median < meant) missing.push("Gval/s");
  const ratios = ["memcpy", ...Object.keys(BASES)].flatMap(ratioCells);
  if (missing.length > 0) missed++;
  const hasTarget = Object.keys(targets).length > 0;
  const rate = meant !== undefined && speed.median >= meant ? "; the rate is reached" : "";
  const verdict =
    missing.length > 0 ? `misses ${missing.join(", ")}${rate}` : hasTarget ? "pass" : "";
  return [name, speed.median.toFixed(2), meant?.toFixed(2) ?? "—", ...ratios, verdict];
}
