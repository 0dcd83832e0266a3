// QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear of ONNX Runtime Web (and of its Node build, where
// `npm ci --ignore-scripts --prefix bench/peers` brought it) against ours, one thread each, in the same rounds.
//
//   node bench/peers.bench.mjs [--write] [--quick]
//
// *Arrays* is from JavaScript's arrays to JavaScript's arrays; *kernel* is the operator alone: for ours on
// addresses, for theirs what a model with COPIES more of them takes longer, a copy. Codes are compared first.

import { parseArgs } from "node:util";
import { linearCases } from "./lib/linear-cases.mjs";
import { loadSource } from "./lib/load-source.mjs";
import { interleaveAfter, spread } from "./lib/measure.mjs";
import { COPIES, loadRuntime, RUNTIMES, releaseSessions } from "./lib/onnx-linear.mjs";
import { putSection, setting, tableOf, withSpread } from "./lib/results.mjs";

const { values: flags } = parseArgs({
  options: {
    write: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
  },
});
const SIZES = flags.quick
  ? [{ title: "Quick", rows: 4, rounds: 1, calls: 1 }]
  : [
      { title: "In cache: 65,536 values", rows: 64, rounds: 41, calls: 20 },
      { title: "Out of cache: 16,777,216 values", rows: 16384, rounds: 9, calls: 1 },
    ];
const COLUMNS = 1024;

const runtimes = {};
const lines = [setting(), ""];
for (const name of Object.keys(RUNTIMES)) {
  const { problem, ...runtime } = await loadRuntime(name);
  if (problem === undefined) runtimes[name] = runtime;
  lines.push(
    `- ${name}: ${problem === undefined ? versionOf(runtime.ort) : `not here (${problem})`}`,
  );
}
lines.push(
  "",
  "*Arrays*: from JavaScript's arrays to JavaScript's arrays. *Kernel*: the operator alone; of theirs, what a model with",
  `${COPIES} more of them takes longer, divided by ${COPIES}. × is how many times as fast ours is. Codes and values are the`,
  "same bits, except that DynamicQuantizeLinear's may differ by 1 where its zero point does.",
);

const library = await loadSource();
for (const { title, rows, rounds, calls } of SIZES) {
  const table = [];
  for (const test of linearCases(library, rows, COLUMNS)) {
    const places = await test.prepare(runtimes);
    const samples = {};
    // Apart: the arrays that theirs returns are collected some time after.
    for (const [place, contestants] of Object.entries(places)) {
      samples[place] = await interleaveAfter(contestants, rounds, () => {}, calls);
    }
    await Promise.all(Object.values(runtimes).map(releaseSessions));
    for (const place of ["arrays", "kernel"]) {
      const { ours } = samples[place];
      if (ours === undefined) continue;
      const cells = [`${test.name}, ${place}`, msOf(ours)];
      for (const name of Object.keys(runtimes)) {
        const theirs = timesOf(samples[place], name);
        cells.push(...(theirs === undefined ? ["", ""] : [msOf(theirs), faster(ours, theirs)]));
      }
      table.push(cells);
      console.log(cells.join("  "));
    }
  }
  const head = Object.keys(runtimes).flatMap((name) => [`${name}, ms`, "×"]);
  lines.push("", `### ${title}`, "", tableOf(["", "ours, ms", ...head], table));
}
const text = lines.join("\n");
console.log(text);
if (flags.write) putSection("ONNX Runtime", text);

/** Milliseconds a round; of a kernel, the difference of two models. */
function timesOf(samples, name) {
  const more = samples[`more ${name}`];
  if (more === undefined) return samples[name];
  return more.map((ms, round) => (ms - samples[`one ${name}`][round]) / COPIES);
}

function msOf(times) {
  const figures = spread(times);
  return withSpread(figures, figures.median < 1 ? 3 : 1);
}

function faster(ours, theirs) {
  return withSpread(spread(ours.map((ms, round) => theirs[round] / ms)), 1);
}

function versionOf(ort) {
  return Object.values(ort.env.versions ?? {}).join(" ");
}
