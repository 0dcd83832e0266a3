/** The error of some chunks of a tensor whose scales are final when its codes are. */

import type { QuantizationError } from "../metrics/quantization-error.ts";

/** Elements looked at per tensor at most: the figure's own error is then about 0.1 %. */
const SAMPLED_ELEMENTS = 1 << 20;

/** Elements of a chunk. */
const CHUNK = 4096;

/** Σ(w − w')² and Σw² of the elements that were looked at. */
export interface ChunkSums {
  readonly error: number;
  readonly energy: number;
  readonly elements: number;
}

export class ChunkSampler {
  /** Every `stride`-th chunk is looked at. */
  readonly #stride: number;
  #error = 0;
  #energy = 0;
  #elements = 0;

  constructor(elementCount: number) {
    this.#stride = Math.max(1, Math.ceil(elementCount / SAMPLED_ELEMENTS));
  }

  /** Whether a chunk of the elements from `start` to `end` is looked at. */
  wants(start: number, end: number): boolean {
    return this.#nextChunk(start) * CHUNK < end;
  }

  /** @param start index in the tensor of the first weight */
  add(start: number, weights: Float32Array, restored: Float32Array): void {
    const end = start + weights.length;
    for (let chunk = this.#nextChunk(start); chunk * CHUNK < end; chunk += this.#stride) {
      const from = Math.max(0, chunk * CHUNK - start);
      const to = Math.min(weights.length, (chunk + 1) * CHUNK - start);
      for (let i = from; i < to; i++) {
        const weight = weights[i] as number;
        const difference = weight - (restored[i] as number);
        this.#energy += weight * weight;
        this.#error += difference * difference;
      }
      this.#elements += to - from;
    }
  }

  sums(): ChunkSums {
    return { error: this.#error, energy: this.#energy, elements: this.#elements };
  }

  /** Takes over what another sampler of the same tensor has seen. */
  merge({ error, energy, elements }: ChunkSums): void {
    this.#error += error;
    this.#energy += energy;
    this.#elements += elements;
  }

  finish(): QuantizationError {
    return {
      relativeRms: this.#energy > 0 ? Math.sqrt(this.#error / this.#energy) : 0,
      mse: this.#elements > 0 ? this.#error / this.#elements : 0,
      sampledElements: this.#elements,
    };
  }

  /** The first chunk that is looked at and does not end before `start`. */
  #nextChunk(start: number): number {
    return Math.ceil(Math.floor(start / CHUNK) / this.#stride) * this.#stride;
  }
}
