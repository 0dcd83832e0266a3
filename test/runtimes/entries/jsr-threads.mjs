/** Threads of JSR's sources, in Deno: the same bytes as without, and more than one works. */

import { readFileSync } from "node:fs";
import { quantize } from "quantwise";
import { quantizeModel } from "quantwise/node";
import { createThreadPool, quantizeParallel } from "quantwise/threads";
import { sha256 } from "./sha256.mjs";

const [input, output] = Deno.args;
const checks = [];
const check = async (name, body) => {
  try {
    await body();
    checks.push({ name, problem: "" });
  } catch (error) {
    checks.push({ name, problem: `${error?.stack ?? error}` });
  }
};
let kernels;
await check("quantizeParallel", async () => {
  const weights = Float32Array.from({ length: 1 << 22 }, (_, i) => Math.sin(i * i));
  const pool = createThreadPool({ threads: 2 });
  const q = await quantizeParallel(weights, { pool });
  if (pool.active !== 2) throw new Error(`${pool.active} threads worked`);
  pool.close();
  ({ kernels } = q);
  if (sha256(q.codes) !== sha256(quantize(weights).codes)) throw new Error("other codes");
});
await check("quantizeModel", async () => {
  const hashes = [];
  for (const threads of [1, 2]) {
    const path = `${output}-${threads}.safetensors`;
    const result = await quantizeModel(input, path, { threads });
    if (result.threads !== threads) throw new Error(`${result.threads} threads worked`);
    hashes.push(sha256(readFileSync(path)));
  }
  if (hashes[0] !== hashes[1]) throw new Error("other bytes");
});
console.log(`QUANTWISE RESULT ${JSON.stringify({ kernels, checks })}`);
Deno.exit(0);
