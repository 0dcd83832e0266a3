/** `quantwise/threads` in Node: as the one of the web, on worker_threads. */

import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { ThreadPool } from "../threads/pool.ts";
import type { ThreadPoolOptions } from "../threads/web.ts";
import { webThread } from "../threads/web-thread.ts";
import { nodeThread } from "./node-thread.ts";

export { ThreadPool } from "../threads/pool.ts";
export { type QuantizeParallelOptions, quantizeParallel } from "../threads/quantize-parallel.ts";
export type { ThreadPoolOptions };

/** Its node:worker_threads copies what is handed over, element by element: 0.3 s for 4 MB. */
const isDeno = () => "deno" in process.versions;

/** @throws ArgumentError */
export function createThreadPool(options: ThreadPoolOptions = {}): ThreadPool {
  const { threads = availableParallelism(), kernels, workerUrl = ownWorker() } = options;
  const spawn = () =>
    workerUrl.protocol === "file:" && !isDeno()
      ? nodeThread(workerUrl)
      : webThread(() => new Worker(workerUrl, { type: "module" }));
  return new ThreadPool(threads, spawn, kernels);
}

/**
 * The built worker: beside the bundle or above its chunks, or where the build puts it for the sources.
 * Deno runs JSR's sources as they are, from a disk or from their address, which has no files.
 */
function ownWorker(): URL {
  const urlOf = (place: string) => new URL(place, import.meta.url);
  const built = ["./node-worker.js", "../node-worker.js", "../../build/js/node-worker.js"];
  return built.map(urlOf).find((url) => existsSync(url)) ?? urlOf("./node-worker.ts");
}
