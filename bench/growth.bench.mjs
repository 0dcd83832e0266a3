// Throughput against the size of the tensor, from 64 values to 256 M (1 GB of f32), and against threads.
//
//   node bench/growth.bench.mjs [--write] [--quick]
//
// --write records the tables in bench/results.md and the plots in docs/performance. Needs 4 GB of memory and
// `npm run build`.

import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { createThreadPool, quantizeParallel } from "quantwise/threads";
import { fillNormal } from "./lib/kernel-rows.mjs";
import { lineChart } from "./lib/line-chart.mjs";
import { loadSource } from "./lib/load-source.mjs";
import { interleave, interleaveAfter, QUICK, spread } from "./lib/measure.mjs";
import { putSection, setting, tableOf, withSpread } from "./lib/results.mjs";

const { values: flags } = parseArgs({
  options: {
    write: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
  },
});
const powers = (from, to, step) =>
  Array.from({ length: (to - from) / step + 1 }, (_, i) => 2 ** (from + i * step));
const SIZES = flags.quick ? powers(6, 10, 2) : powers(6, 28, 2);
const PARALLEL_SIZES = flags.quick ? powers(10, 10, 2) : powers(12, 26, 2);
const { createKernelSet, dequantize, INT8, NF4, quantize } = await loadSource();

const bySize = sizeRates();
const threads = threadCounts();
const byThreads = await threadRates(threads);

const text = `${setting()}

### Against the size of the tensor: Gval/s

Kernels work on WebAssembly memory; \`quantize\` and \`dequantize\` take the caller's arrays, \`out\` too. NF4 in blocks of 64, INT8
per tensor with its range.

${tableOf(["values", ...Object.keys(bySize)], rowsOf(bySize, SIZES))}

### Against threads: Gval/s of NF4

\`quantize\` in one thread, and \`quantizeParallel\` of weights in shared memory, pools warm.

${tableOf(["values", ...Object.keys(byThreads)], rowsOf(byThreads, PARALLEL_SIZES))}`;
console.log(text);
const charts = { "size.svg": sizeChart(), "threads.svg": threadsChart() };
if (flags.write) {
  putSection("How cost grows", text);
  const folder = new URL("../docs/performance/", import.meta.url);
  mkdirSync(folder, { recursive: true });
  for (const [name, svg] of Object.entries(charts)) writeFileSync(new URL(name, folder), svg);
}

/** @returns for each contestant its rates, by size */
function sizeRates() {
  const largest = SIZES.at(-1);
  const values = new Float32Array(largest);
  fillRepeating(values);
  const copy = new Float32Array(largest);
  const { kernels } = createKernelSet();
  const floatBytes = 4 * largest;
  const [valuesPtr, decodedPtr, bytesPtr, codesPtr, absmaxPtr] = [
    floatBytes,
    floatBytes,
    largest,
    largest / 2,
    largest / 16,
  ].map((bytes) => kernels.allocate(bytes));
  const [minPtr, maxPtr, scalePtr, zeroPtr] = [1, 2, 3, 4].map(() => kernels.allocate(16));
  const floats = (ptr, length) => new Float32Array(kernels.buffer, ptr, length);
  floats(valuesPtr, largest).set(values);
  const single = { quantType: "nf4", doubleQuant: false };

  const rates = {};
  for (const count of SIZES) {
    const weights = values.subarray(0, count);
    const target = copy.subarray(0, count);
    const out = { codes: new Uint8Array(count / 2), absmax: new Float32Array(count / 64) };
    const intoOut = { ...single, out };
    const record = quantize(weights, intoOut);
    const into = { out: target };
    const runs = {
      rowLength: count,
      runLength: count,
      startColumn: 0,
      firstScale: 0,
      scaleCount: 1,
    };
    const [minimum, maximum] = [floats(minPtr, 1), floats(maxPtr, 1)];
    const scaled = [scalePtr, zeroPtr];
    const contestants = {
      memcpy: () => target.set(weights),
      "NF4 quantize, kernel": () =>
        kernels.quantize4(NF4, "torch", "float32", valuesPtr, codesPtr, absmaxPtr, count, 64),
      "NF4 dequantize, kernel": () =>
        kernels.dequantize4(NF4, "float32", codesPtr, absmaxPtr, decodedPtr, count, 64),
      "INT8 quantize, kernel": () => {
        minimum[0] = 0;
        maximum[0] = 0;
        kernels.range(valuesPtr, minPtr, maxPtr, count, runs);
        kernels.affineParameters(INT8, false, minPtr, maxPtr, ...scaled, 1);
        kernels.quantizeAffine(INT8, valuesPtr, ...scaled, bytesPtr, count, runs);
      },
      "INT8 dequantize, kernel": () =>
        kernels.dequantizeAffine(INT8, bytesPtr, ...scaled, decodedPtr, count, runs),
      "NF4 `quantize`, arrays": () => quantize(weights, intoOut),
      "NF4 `dequantize`, arrays": () => dequantize(record, into),
    };
    const rounds = flags.quick ? 3 : Math.max(5, Math.min(41, Math.round(2 ** 27 / count)));
    const samples = interleave(contestants, rounds, flags.quick ? QUICK : undefined);
    for (const [name, times] of Object.entries(samples)) {
      rates[name] = [...(rates[name] ?? []), spread(times.map((ms) => count / ms / 1e6))];
    }
  }
  return rates;
}

function threadCounts() {
  const cores = availableParallelism();
  return [...new Set([1, 2, 4, 8, cores].filter((count) => count <= Math.max(2, cores)))];
}

async function threadRates(counts) {
  const largest = PARALLEL_SIZES.at(-1);
  const shared = new Float32Array(new SharedArrayBuffer(4 * largest));
  fillRepeating(shared);
  const pools = counts.map((count) => [count, createThreadPool({ threads: count })]);
  const rates = {};
  for (const count of PARALLEL_SIZES) {
    const weights = shared.subarray(0, count);
    const options = { quantType: "nf4", doubleQuant: false };
    const contestants = { "`quantize`": () => quantize(weights, options) };
    for (const [threads, pool] of pools) {
      contestants[`${threads} ${threads === 1 ? "thread" : "threads"}`] = () =>
        quantizeParallel(weights, { ...options, pool });
    }
    const calls = flags.quick ? 1 : Math.max(1, Math.round(2 ** 20 / count));
    const rounds = flags.quick ? 1 : 15;
    const samples = await interleaveAfter(contestants, rounds, () => {}, calls);
    for (const [name, times] of Object.entries(samples)) {
      rates[name] = [...(rates[name] ?? []), spread(times.map((ms) => count / ms / 1e6))];
    }
  }
  for (const [, pool] of pools) await pool.close();
  return rates;
}

function sizeChart() {
  return lineChart({
    title: "Throughput against the size of the tensor, one thread",
    xLabel: "values in the tensor",
    yLabel: "Gval/s",
    xTicks: SIZES.map((at) => ({ at, text: sizeName(at) })),
    yTicks: [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50],
    lines: linesOf(bySize, SIZES),
  });
}

function threadsChart() {
  return lineChart({
    title: "NF4 on several threads, weights in shared memory",
    xLabel: "values in the tensor",
    yLabel: "Gval/s",
    xTicks: PARALLEL_SIZES.map((at) => ({ at, text: sizeName(at) })),
    yTicks: [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
    lines: linesOf(byThreads, PARALLEL_SIZES),
  });
}

function linesOf(rates, sizes) {
  return Object.entries(rates).map(([name, spreads]) => ({
    name: name.replaceAll("`", ""),
    points: spreads.map(({ median }, i) => [sizes[i], median]),
    dashed: name.startsWith("memcpy") || name.includes("`"),
  }));
}

function rowsOf(rates, sizes) {
  const cells = Object.values(rates);
  return sizes.map((count, i) => [sizeName(count), ...cells.map((list) => withSpread(list[i]))]);
}

function sizeName(count) {
  if (count >= 1 << 20) return `${count >> 20} M`;
  return count >= 1 << 10 ? `${count >> 10} K` : `${count}`;
}

/** One mebivalue of normal weights, over and over. */
function fillRepeating(values) {
  const first = values.subarray(0, Math.min(values.length, 1 << 20));
  fillNormal(first);
  for (let at = first.length; at < values.length; at += first.length) values.set(first, at);
}
