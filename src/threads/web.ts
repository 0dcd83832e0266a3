/**
 * `quantwise/threads`: the work of `quantize` on several threads, for browsers, Deno and Bun.
 *
 * @example
 * import { createThreadPool, quantizeParallel } from "quantwise/threads";
 * const pool = createThreadPool();
 * const q = await quantizeParallel(weights, { pool, quantType: "nf4" });
 * pool.close();
 */

import type { KernelChoice } from "../kernels/kernel-set.ts";
import { ThreadPool } from "./pool.ts";
import { webThread } from "./web-thread.ts";

export { ThreadPool } from "./pool.ts";
export { type QuantizeParallelOptions, quantizeParallel } from "./quantize-parallel.ts";

export interface ThreadPoolOptions {
  /** @defaultValue the cores that the runtime tells of */
  readonly threads?: number;
  /** @defaultValue "auto" */
  readonly kernels?: KernelChoice;
  /** The worker's module. @defaultValue the one beside this one */
  readonly workerUrl?: URL;
}

/**
 * Starts threads; `close` them when they are done.
 *
 * @throws ArgumentError; UnsupportedError where there are no workers
 */
export function createThreadPool(options: ThreadPoolOptions = {}): ThreadPool {
  const { threads = coreCount(), kernels } = options;
  const { workerUrl } = options;
  const start = () =>
    workerUrl === undefined
      ? // Written out in one expression: that is what bundlers look for. The build turns .ts into .js.
        new Worker(new URL("./worker.ts", import.meta.url), { type: "module" })
      : new Worker(workerUrl, { type: "module" });
  return new ThreadPool(threads, () => webThread(start), kernels);
}

function coreCount(): number {
  return globalThis.navigator?.hardwareConcurrency ?? 1;
}
