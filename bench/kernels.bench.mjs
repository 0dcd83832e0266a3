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
  { title: "In cache: 65,536 values", count: 1 << 16, rounds: 61 },
  { title: "Out of cache: 16,777,216 values", count: 1 << 24, rounds: 15 },
];

/**
 * memcpy on the machine that the targets were set on (Zen 4, Node 20), Gval/s. Newer cores copy with
 * registers four times as wide as WebAssembly's and are ahead by that much more, so a ratio to
 * memcpy alone would say that the same kernel became slower.
 */
const DESIGN_MEMCPY = { inCache: 14, outOfCache: 2.5 };

const library = await loadSource();
const machine = `${cpus()[0]?.model.trim()}, Node ${process.versions.node} (V8 ${process.versions.v8})`;
const report = [`# Kernel benchmark\n`, `${machine}, ${new Date().toISOString().slice(0, 10)}.\n`];
report.push(
  "One thread. Gval/s is 1e9 values a second, median of interleaved rounds. A ratio is the speed of",
  "our kernel over that of the other in the same round: median (10th to 90th percentile). memcpy is",
  "`TypedArray.set` of as many f32. Targets are for ratios; — means that none is set. *Meant* is the",
  "target for memcpy in Gval/s on the machine it was set on (memcpy there: 14 in cache, 2.5 out of it).\n",
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
    const missing = [];
    const designMemcpy = count > 1 << 20 ? DESIGN_MEMCPY.outOfCache : DESIGN_MEMCPY.inCache;
    const meant = targets.memcpy === undefined ? undefined : targets.memcpy * designMemcpy;
    if (meant !== undefined && speed.median < meant) missing.push("Gval/s");
    for (const base of ["memcpy", "tuned", "naive"]) {
      const target = targets[base];
      if (samples[base] === undefined) {
        cells.push("", "");
        continue;
      }
      const ratio = speedRatio(samples, "ours", base);
      if (target !== undefined && ratio.median < target) missing.push(base);
      const digits = ratio.median < 10 ? 2 : 0;
      const [median, p10, p90] = [ratio.median, ratio.p10, ratio.p90].map((n) => n.toFixed(digits));
      cells.push(`${median} (${p10}–${p90})`, target === undefined ? "—" : `${target}`);
    }
    if (missing.length > 0) missed++;
    const hasTarget = Object.keys(targets).length > 0;
    const verdict = !hasTarget
      ? ""
      : missing.length === 0
        ? "pass"
        : `misses ${missing.join(", ")}`;
    const figures = [speed.median.toFixed(2), meant?.toFixed(2) ?? "—", ...cells];
    const line = `| ${name} | ${figures.join(" | ")} | ${verdict} |`;
    report.push(line);
    console.log(line);
  }
  report.push("");
}

console.log(missed === 0 ? "\nAll targets reached." : `\n${missed} rows miss a target.`);
if (options.write) writeFileSync(new URL("results.md", import.meta.url), report.join("\n"));
