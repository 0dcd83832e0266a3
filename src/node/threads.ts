/** `quantwise/threads` in Node: as the one of the web, on worker_threads. */

import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { ThreadPool } from "../threads/pool.ts";
import type { ThreadPoolOptions } from "../threads/web.ts";
import { nodeThread } from "./node-thread.ts";

export { ThreadPool } from "../threads/pool.ts";
export { type QuantizeParallelOptions, quantizeParallel } from "../threads/quantize-parallel.ts";
export type { ThreadPoolOptions };

/** @throws ArgumentError */
export function createThreadPool(options: ThreadPoolOptions = {}): ThreadPool {
  const { threads = availableParallelism(), kernels, workerUrl = ownWorker() } = options;
  return new ThreadPool(threads, () => nodeThread(workerUrl), kernels);
}

/** The built worker: beside the bundle or above its chunks, or where the build puts it for the sources. */
function ownWorker(): URL {
  const places = ["./node-worker.js", "../node-worker.js", "../../build/js/node-worker.js"];
  const urls = places.map((place) => new URL(place, import.meta.url));
  return urls.find((url) => existsSync(url)) ?? (urls[0] as URL);
}
