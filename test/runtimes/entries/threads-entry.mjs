/** `quantwise/threads`, where there are workers: the bytes of one thread, shared memory, errors. */

import * as core from "quantwise";
import { createThreadPool, quantizeParallel } from "quantwise/threads";
import { sha256 } from "./sha256.mjs";
import { checklist, same } from "./suite.mjs";

/** Several parts of a megabyte, and a short last one. */
const SHAPE = [1203, 704];
const COUNT = SHAPE[0] * SHAPE[1];

export async function result({ hasSharedMemory }) {
  const { check, checks } = checklist();
  const weights = new Float32Array(COUNT);
  let state = 1;
  for (let i = 0; i < COUNT; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    weights[i] = (state / 2 ** 32 - 0.5) / 8;
  }
  const pool = createThreadPool({ threads: 2 });
  for (const quantType of ["nf4", "int8", "mxfp8"]) {
    await check(`threads: ${quantType} has the bytes of one`, async () => {
      const options = { quantType, shape: SHAPE };
      const record = await quantizeParallel(weights, { ...options, pool });
      same(sha256(record.codes), sha256(core.quantize(weights, options).codes), "codes");
    });
  }
  await check("threads: both have worked", () => same(pool.active, 2, "active"));
  await check("threads: shared memory", async () => {
    same(typeof SharedArrayBuffer, hasSharedMemory ? "function" : "undefined", "it");
    if (!hasSharedMemory) return;
    const shared = new Float32Array(new SharedArrayBuffer(4 * COUNT));
    shared.set(weights);
    const record = await quantizeParallel(shared, { pool });
    same(record.codes.buffer instanceof SharedArrayBuffer, true, "codes are there");
    const copy = record.codes.slice();
    same(sha256(copy), sha256(core.quantize(weights).codes), "codes");
  });
  await check("threads: an error comes over, with its index", async () => {
    const broken = weights.slice();
    broken[COUNT - 3] = NaN;
    const error = await failure(quantizeParallel(broken, { pool }));
    same(error instanceof core.NonFiniteError, true, `${error}: instanceof`);
    same(error.index, COUNT - 3, "index");
  });
  await check("threads: a closed pool says so", async () => {
    await pool.close();
    const error = await failure(quantizeParallel(weights, { pool }));
    same(error.message, "the thread pool is closed", "message");
  });
  await check("threads: a worker that does not load fails the job", async () => {
    const workerUrl = new URL("./missing-worker.mjs", import.meta.url);
    const missing = createThreadPool({ threads: 2, workerUrl });
    const error = await failure(quantizeParallel(weights, { pool: missing }));
    same(error.code, "UNSUPPORTED", `${error}: code`);
    await missing.close();
  });
  return { kernels: { ...core.kernels }, checks };
}

const failure = (promise) =>
  promise.then(
    () => new Error("nothing was thrown"),
    (reason) => reason,
  );
