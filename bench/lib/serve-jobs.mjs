// Runs a job whenever a line asks for it, so that peers.py can time ours between the jobs of its own.
//
//   node serve-jobs.mjs weights.f32 columns threads
//
// A line is a job's name, and the answer its milliseconds; after "save", what it made goes to weights.f32.made.

import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { dequantize, quantize } from "quantwise";
import { createThreadPool, quantizeParallel } from "quantwise/threads";

const [path, columns, threads] = process.argv.slice(2);
const file = readFileSync(path);
const shared = new SharedArrayBuffer(file.byteLength);
new Uint8Array(shared).set(file);
const weights = new Float32Array(shared);
const own = new Float32Array(weights);
const shape = [weights.length / Number(columns), Number(columns)];
const pool = Number(threads) > 1 ? createThreadPool({ threads: Number(threads) }) : undefined;

const OPTIONS = {
  nf4: { quantType: "nf4", doubleQuant: false },
  fp4: { quantType: "fp4", doubleQuant: false },
  "nf4 nested": { quantType: "nf4" },
  dynamic8: { quantType: "dynamic8", blockSize: 256 },
  "llm-int8": { quantType: "llm-int8", shape },
};
const records = new Map();
const outs = {
  float32: new Float32Array(weights.length),
  bfloat16: new Uint16Array(weights.length),
};

/** Quantizing keeps its record for dequantizing. */
async function run(job) {
  const [name, how, dtype, into] = job.split("; ");
  if (how === "quantize") {
    const options = OPTIONS[name];
    const record =
      pool === undefined
        ? quantize(own, options)
        : await quantizeParallel(weights, { ...options, pool });
    records.set(name, record);
    return record.codes;
  }
  const out = into === undefined ? {} : { out: outs[dtype] };
  return dequantize(records.get(name), { dtype, ...out });
}

let made;
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "save") {
    const { buffer, byteOffset, byteLength } = made;
    writeFileSync(`${path}.made`, new Uint8Array(buffer, byteOffset, byteLength));
    console.log("saved");
  } else {
    made = undefined;
    const start = performance.now();
    made = await run(line);
    console.log(String(performance.now() - start));
  }
}
await pool?.close();
