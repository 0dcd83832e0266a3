// Kernel throughput as ratios to memcpy and to plain JavaScript, measured in the same rounds.
//
//   node bench/kernels.bench.mjs [--only TEXT] [--write]
//
// --write also records the table in bench/results.md. Run `npm run build:wasm` first.

import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { kernelRows } from "./lib/kernel-rows.mjs";
import { loadSource } from "./lib/load-source.mjs";
import { interleave, speedRatio, spread } from "./lib/measure.mjs";

const { values: options } = parseArgs({
  options: { only: { type: "string", default: "" }, write: { type: "boolean", default: false } },
});

const SIZES = [
  { title: "In cache: 65,536 values", count: 1 << 16, rounds: 31 },
  { title: "Out of cache: 16,777,216 values", count: 1 << 24, rounds: 11 },
];

const library = await loadSource();
const machine = `${cpus()[0]?.model.trim()}, Node ${process.versions.node} (V8 ${process.versions.v8})`;
const report = [`# Kernel benchmark\n`, `${machine}, ${new Date().toISOString().slice(0, 10)}.\n`];
report.push(
  "One thread. Gval/s is 1e9 values a second, median of interleaved rounds. A ratio is the speed of",
  "our kernel over that of the other in the same round: median (10th to 90th percentile). memcpy is",
  "`TypedArray.set` of as many f32. Targets are for ratios; — means that none is set.\n",
);
let missed = 0;

for (const { title, count, rounds } of SIZES) {
  const { kernels } = library.createKernelSet("wasm");
  const rows = kernelRows(kernels, library, count).filter(({ name }) =>
    name.includes(options.only),
  );
  report.push(`## ${title}\n`);
  report.push(
    "| kernel | Gval/s | × memcpy | target | × tuned JS | target | × naive JS | target | |",
  );
  report.push("|---|--:|--:|--:|--:|--:|--:|--:|---|");
  console.log(`\n${machine}\n${title}`);
  for (const { name, contestants, targets } of rows) {
    const samples = interleave(contestants, rounds);
    const speed = spread(samples.ours.map((ms) => count / ms / 1e6));
    const cells = [];
    let pass = true;
    for (const base of ["memcpy", "tuned", "naive"]) {
      const target = targets[base];
      if (samples[base] === undefined) {
        cells.push("", "");
        continue;
      }
      const ratio = speedRatio(samples, "ours", base);
      if (target !== undefined && ratio.median < target) pass = false;
      const digits = ratio.median < 10 ? 2 : 0;
      const [median, p10, p90] = [ratio.median, ratio.p10, ratio.p90].map((n) => n.toFixed(digits));
      cells.push(`${median} (${p10}–${p90})`, target === undefined ? "—" : `${target}`);
    }
    const hasTarget = Object.keys(targets).length > 0;
    const verdict = hasTarget ? (pass ? "pass" : "**miss**") : "";
    if (hasTarget && !pass) missed++;
    const line = `| ${name} | ${speed.median.toFixed(2)} | ${cells.join(" | ")} | ${verdict} |`;
    report.push(line);
    console.log(line);
  }
  report.push("");
}

console.log(missed === 0 ? "\nAll targets reached." : `\n${missed} rows miss a target.`);
if (options.write) writeFileSync(new URL("results.md", import.meta.url), report.join("\n"));
