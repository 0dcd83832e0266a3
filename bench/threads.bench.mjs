// Weights in memory on 1, 2, … threads against `quantize` in one, in the same rounds.
//
//   node bench/threads.bench.mjs [million weights] [--write]
//
// --write records bench/results-threads.md. Run `npm run build` first.

import { writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { parseArgs } from "node:util";
import { quantize } from "../build/js/index.js";
import { createThreadPool, quantizeParallel } from "../build/js/threads-node.js";
import { spread } from "./lib/measure.mjs";

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { write: { type: "boolean", default: false } },
});
const MILLIONS = Number(positionals[0] ?? 64);
const ROUNDS = 15;
const count = MILLIONS << 20;
const cores = availableParallelism();
const counts = [...new Set([1, 2, 4, 8, cores].filter((threads) => threads <= cores))];

const shared = normalWeights(new Float32Array(new SharedArrayBuffer(4 * count)));
const own = new Float32Array(shared);
const pools = new Map(counts.map((threads) => [threads, createThreadPool({ threads })]));

const report = [];
for (const options of [{ quantType: "nf4" }, { quantType: "int8" }]) {
  const jobs = { "`quantize`": () => quantize(shared, options) };
  for (const [threads, pool] of pools) {
    jobs[`${threads} threads, shared memory`] = () =>
      quantizeParallel(shared, { ...options, pool });
    jobs[`${threads} threads, copied`] = () => quantizeParallel(own, { ...options, pool });
  }
  const samples = new Map(Object.keys(jobs).map((name) => [name, []]));
  for (let round = -2; round < ROUNDS; round++) {
    for (const [name, job] of Object.entries(jobs)) {
      const start = performance.now();
      await job();
      if (round >= 0) samples.get(name).push(performance.now() - start);
    }
  }
  const one = samples.get("`quantize`");
  for (const [name, times] of samples) {
    const { median, p10, p90 } = spread(times);
    const ratio = spread(times.map((ms, round) => one[round] / ms));
    const cells = [
      options.quantType,
      name,
      median.toFixed(1),
      `${p10.toFixed(1)}–${p90.toFixed(1)}`,
    ];
    cells.push(`${ratio.median.toFixed(2)} (${ratio.p10.toFixed(2)}–${ratio.p90.toFixed(2)})`);
    report.push(`| ${cells.join(" | ")} |`);
    console.log(cells.join("  "));
  }
}
for (const pool of pools.values()) await pool.close();

const text = `# Threads

Made by \`npm run bench:threads\`: Node ${process.version}, ${cores} cores of ${cpus()[0].model.trim()}, ${new Date().toISOString().slice(0, 10)}.
${MILLIONS} × 2^20 f32 weights in memory, blocks of 64, double quantized (nf4); ${ROUNDS} interleaved rounds, median and
10th to 90th percentile. The last column is the speed over \`quantize\` of the same round.

| | | ms | spread | speed |
|---|---|--:|--:|--:|
${report.join("\n")}
`;
if (flags.write) writeFileSync(new URL("results-threads.md", import.meta.url), text);

/** Sums of three uniform numbers: near enough to a normal distribution. */
function normalWeights(weights) {
  let state = 1;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  for (let i = 0; i < weights.length; i++) weights[i] = 0.04 * (next() + next() + next());
  return weights;
}
