// The kernels of ggml's block types against ggml's own speed. memcpy runs in every round, and the
// speeds that ggml reached elsewhere are scaled by what memcpy reaches here.
//
//   node bench/ggml.bench.mjs [--write] [--rounds N]
//
// --write puts the table into bench/results-ggml.md.

import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { BLOCK_LAYOUTS } from "quantwise/gguf";
import {
  ANCHOR_MEMCPY,
  ANCHORS,
  NATIVE_TARGETS,
  SIMPLE,
  WASM_TARGET,
} from "./lib/ggml-anchors.mjs";
import { interleave, speedRatio, spread } from "./lib/measure.mjs";

const { values: options } = parseArgs({
  options: {
    write: { type: "boolean", default: false },
    rounds: { type: "string", default: "25" },
  },
});
const ROUNDS = Number(options.rounds);
const COUNT = 1 << 20;
const LARGE = 1 << 24;

const memory = new WebAssembly.Memory({ initial: 1 });
const bytes = readFileSync(new URL("../build/ggml.wasm", import.meta.url));
const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
const valuesPtr = 65536;
const backPtr = valuesPtr + 4 * LARGE;
const blocksPtr = backPtr + 4 * LARGE;
memory.grow(Math.ceil((blocksPtr + 16 * LARGE) / 65536));
const values = new Float32Array(memory.buffer, valuesPtr, LARGE);
fillNormal(values);

const cache = measure(COUNT, Object.keys(ANCHORS), true);
const out = measure(LARGE, SIMPLE, false);
const memcpy = { cache: speedOf(cache, "memcpy", COUNT), memory: speedOf(out, "memcpy", LARGE) };
const scale = memcpy.cache.median / ANCHOR_MEMCPY.cache;

const lines = [
  "# The block types of ggml",
  "",
  "`npm run bench:ggml` writes this: one thread, the bare exports of `build/ggml.wasm`, million values a second, median " +
    "(10th to 90th percentile) of interleaved rounds. In cache are 256 rows of 4,096 normal values of deviation 0.02, " +
    `4 MB; there memcpy reaches ${figure(memcpy.cache.median)} here. *× ggml* compares with the speeds in ` +
    `\`lib/ggml-anchors.mjs\`, all multiplied by ${scale.toFixed(2)}, what memcpy is faster here than there: *native* ` +
    "is ggml by gcc for baseline x86-64, *WASM* the same C by clang. *× memcpy* copies as many floats in the same " +
    `round: in cache, and out of it, where 64 MB are written and memcpy reaches ${figure(memcpy.memory.median)}.`,
  "",
  `${cpus()[0]?.model.trim()}, V8 ${process.versions.v8}, ${new Date().toISOString().slice(0, 10)}`,
  "",
  "| type | quantize | × ggml WASM | target | × ggml native | target | dequantize | × ggml WASM | × memcpy, cache | × memcpy, memory | target |",
  "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
  ...Object.keys(ANCHORS).map(rowOf),
];
const report = lines.join("\n");
console.log(report);
if (options.write) {
  writeFileSync(fileURLToPath(new URL("results-ggml.md", import.meta.url)), `${report}\n`);
}

/** Milliseconds of each call, memcpy among them. */
function measure(count, types, quantizing) {
  const source = new Float32Array(memory.buffer, valuesPtr, count);
  const target = new Float32Array(memory.buffer, backPtr, count);
  const contestants = { memcpy: () => target.set(source) };
  let ptr = blocksPtr;
  for (const type of types) {
    const { blockValues, blockBytes } = BLOCK_LAYOUTS[type];
    const blockCount = count / blockValues;
    const place = ptr;
    const dequantize = exports[`dequantize${type}`];
    const quantize = exports[`quantize${type}`];
    if (quantize(valuesPtr, place, blockCount) !== blockCount) throw new Error(`${type}: stopped`);
    if (quantizing) contestants[`${type} q`] = () => quantize(valuesPtr, place, blockCount);
    contestants[`${type} d`] = () => dequantize(place, backPtr, blockCount);
    ptr += blockCount * blockBytes;
  }
  return interleave(contestants, ROUNDS);
}

function speedOf(samples, name, count) {
  return spread(samples[name].map((ms) => count / ms / 1e3));
}

function rowOf(type) {
  const { native, wasm } = ANCHORS[type];
  const quantize = speedOf(cache, `${type} q`, COUNT);
  const dequantize = speedOf(cache, `${type} d`, COUNT);
  const over = (speed, anchor) =>
    anchor === 0 ? "—" : (speed.median / (anchor * scale)).toFixed(2);
  const isSimple = SIMPLE.includes(type);
  const far = isSimple ? speedRatio(out, `${type} d`, "memcpy").median.toFixed(2) : "—";
  const cells = [
    type,
    `${figure(quantize.median)} (${figure(quantize.p10)}–${figure(quantize.p90)})`,
    over(quantize, wasm[0]),
    wasm[0] === 0 ? "—" : WASM_TARGET,
    over(quantize, native[0]),
    NATIVE_TARGETS[type] ?? "—",
    `${figure(dequantize.median)} (${figure(dequantize.p10)}–${figure(dequantize.p90)})`,
    over(dequantize, wasm[1]),
    speedRatio(cache, `${type} d`, "memcpy").median.toFixed(2),
    far,
    isSimple ? "0.8" : "—",
  ];
  return `| ${cells.join(" | ")} |`;
}

function figure(speed) {
  return speed < 1000 ? speed.toPrecision(3) : Math.round(speed).toLocaleString("en");
}

function fillNormal(target) {
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  for (let i = 0; i < target.length; i++) {
    target[i] = 0.02 * Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
  }
}
