// Time and peak memory of reading one very large safetensors header, in windows of 1 MB.
//
//   node --import <a TypeScript loader, or Node >= 22.18> bench/header.bench.mjs [tensors] [how]
//
// `how`: parse (default), encode (parse, then encode it again), baseline (only move the bytes).
// Run each `how` in its own process: the peak is the process's.

import { readFileSync } from "node:fs";

const tensorCount = Number(process.argv[2] ?? 1_300_000);
const how = process.argv[3] ?? "parse";
const windowBytes = 2 ** 20;

let formats;
try {
  formats = await import("../build/js/safetensors.js");
} catch {
  formats = await import("../src/formats/safetensors/index.ts");
}

/** The header as text windows, made on the fly, so that no copy of it is in memory. */
function* headerWindows(count) {
  const encoder = new TextEncoder();
  let window = new Uint8Array(windowBytes);
  let filled = 0;
  for (const line of lines(count)) {
    const { written, read } = encoder.encodeInto(line, window.subarray(filled));
    filled += written;
    if (read === line.length) continue;
    yield window.subarray(0, filled);
    window = new Uint8Array(windowBytes);
    filled = encoder.encodeInto(line.slice(read), window).written;
  }
  yield window.subarray(0, filled);
}

/** Names and shapes as a mixture-of-experts model has them. */
function* lines(count) {
  let begin = 0;
  yield '{"__metadata__":{"format":"pt"}';
  for (let i = 0; i < count; i++) {
    const end = begin + 4096 * (i % 7);
    const name = `m.layers.${i >> 14}.experts.${i & 16383}.w`;
    yield `,"${name}":{"dtype":"BF16","shape":[2048,${i % 7}],"data_offsets":[${begin},${end}]}`;
    begin = end;
  }
  yield "}";
}

let headerBytes = 0;
for (const window of headerWindows(tensorCount)) headerBytes += window.byteLength;
globalThis.gc?.();
const base = residentPeak();
const started = performance.now();

const length = new Uint8Array(8);
new DataView(length.buffer).setBigUint64(0, BigInt(headerBytes), true);
const parser = new formats.HeaderParser({ file: "bench" });
let moved = 0;
if (how !== "baseline") parser.push(length);
for (const window of headerWindows(tensorCount)) {
  if (how === "baseline") moved += window[0];
  else parser.push(window);
}
const parsed = performance.now();
let note = how === "baseline" ? `(${moved})` : `${parser.finish().length} tensors`;
if (how === "encode") {
  let encodedBytes = 0;
  const table = parser.finish();
  for (const chunk of formats.encodeHeaderChunks(table, table.metadata)) {
    encodedBytes += chunk.byteLength;
  }
  note += `, encoded again to ${encodedBytes} bytes in ${ms(performance.now() - parsed)}`;
}

console.log(`node ${process.version}, header of ${headerBytes} bytes, ${how}: ${note}`);
console.log(`time ${ms(parsed - started)} (making the text included)`);
const peak = residentPeak();
const over = peak - base;
console.log(
  `peak ${mb(peak)}, of it ${mb(over)} above the start: ${(over / headerBytes).toFixed(2)}x`,
);

function residentPeak() {
  try {
    const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"));
    return Number(line[1]) * 1024;
  } catch {
    return process.resourceUsage().maxRSS * 1024;
  }
}
function ms(value) {
  return `${value.toFixed(0)} ms`;
}
function mb(bytes) {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
