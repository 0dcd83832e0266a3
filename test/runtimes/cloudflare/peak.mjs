/** What a worker holds at most. */

import { same } from "../lib/checks.mjs";

const MOST_BYTES = 64e6;

/** The most that the worker held, garbage included. */
export class Peak {
  #worker;
  #heap = 0;
  #memory = 0;
  #samples = 0;

  constructor(worker) {
    this.#worker = worker;
  }

  async sample() {
    const { used, backing, embedder } = await this.#worker.inspector.heap();
    this.#heap = Math.max(this.#heap, used + backing + embedder);
    this.#samples++;
  }

  /** Apart from the samples: it collects garbage. */
  async lookAtMemories() {
    const sizes = await this.#worker.inspector.memories();
    this.#memory = Math.max(
      this.#memory,
      sizes.reduce((sum, size) => sum + size, 0),
    );
  }

  check(what, leastSamples) {
    const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
    console.log(
      `    ${what}: at most ${megabytes(this.#heap)} of JavaScript and ${megabytes(this.#memory)} ` +
        `of WebAssembly, ${this.#samples} samples`,
    );
    same(this.#samples >= leastSamples, true, "enough samples");
    same(this.#memory > 0, true, "kernels were seen");
    same(this.#heap + this.#memory < MOST_BYTES, true, `${this.#heap + this.#memory} < 64 MB`);
  }
}
