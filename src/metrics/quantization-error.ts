/**
 * How far the decoded weights are from the original ones, block by block.
 *
 * A block's squared error at any scale a follows from three sums, so it can be told before a
 * double quantized scale is known:  Σ(w − a·u)² = Σw² − 2a·Σwu + a²·Σu²,  u = the decoded codes
 * at scale 1.
 */

/** Error of one tensor. */
export interface QuantizationError {
  /** √(Σ(w − w')² / Σw²): the error's RMS relative to the weights' RMS. */
  readonly relativeRms: number;
  /** Mean square error. */
  readonly mse: number;
  /** Elements that were looked at; fewer than the tensor has means that blocks were sampled. */
  readonly sampledElements: number;
}

/** Elements looked at per tensor at most: the figure's own error is then about 0.1 %. */
const SAMPLED_ELEMENTS = 1 << 20;

/** The sums of some sampled blocks: plain data, to be merged where the tensor is put together. */
export interface BlockSums {
  /** Index of the first of them among all sampled blocks. */
  readonly first: number;
  readonly weightSquares: Float64Array;
  readonly products: Float64Array;
  readonly unitSquares: Float64Array;
  /** Elements of these blocks. */
  readonly elements: number;
}

/** Collects the sums of every k-th block; memory is bounded whatever the tensor's size. */
export class ErrorSampler {
  /** Every `stride`-th block is looked at. */
  readonly stride: number;
  /** The first sampled block that is kept here. */
  readonly #first: number;
  readonly #weightSquares: Float64Array;
  readonly #products: Float64Array;
  readonly #unitSquares: Float64Array;
  #elements = 0;

  /**
   * @param blockCount blocks of the tensor
   * @param start first block that will be added here, and `end` the one behind the last
   */
  constructor(blockCount: number, blockSize: number, start = 0, end = blockCount) {
    const wanted = Math.max(1, Math.floor(SAMPLED_ELEMENTS / blockSize));
    this.stride = Math.max(1, Math.ceil(blockCount / wanted));
    this.#first = Math.ceil(start / this.stride);
    const sampled = Math.max(0, Math.ceil(end / this.stride) - this.#first);
    this.#weightSquares = new Float64Array(sampled);
    this.#products = new Float64Array(sampled);
    this.#unitSquares = new Float64Array(sampled);
  }

  sums(): BlockSums {
    return {
      first: this.#first,
      weightSquares: this.#weightSquares,
      products: this.#products,
      unitSquares: this.#unitSquares,
      elements: this.#elements,
    };
  }

  /** Takes over what another sampler of the same tensor has seen. */
  merge(sums: BlockSums): void {
    const at = sums.first - this.#first;
    this.#weightSquares.set(sums.weightSquares, at);
    this.#products.set(sums.products, at);
    this.#unitSquares.set(sums.unitSquares, at);
    this.#elements += sums.elements;
  }

  /**
   * Adds the elements from `start` to `end` as one block.
   *
   * @param block a multiple of `stride`
   * @param units the weights' decoded values at scale 1
   */
  add(block: number, weights: Float32Array, units: Float32Array, start: number, end: number): void {
    let ww = 0;
    let wu = 0;
    let uu = 0;
    for (let i = start; i < end; i++) {
      const w = weights[i] as number;
      const u = units[i] as number;
      ww += w * w;
      wu += w * u;
      uu += u * u;
    }
    const at = block / this.stride - this.#first;
    this.#weightSquares[at] = ww;
    this.#products[at] = wu;
    this.#unitSquares[at] = uu;
    this.#elements += end - start;
  }

  /** @param scaleOf the final scale of a sampled block */
  finish(scaleOf: (block: number) => number): QuantizationError {
    let error = 0;
    let energy = 0;
    for (let at = 0; at < this.#weightSquares.length; at++) {
      const scale = scaleOf((at + this.#first) * this.stride);
      const ww = this.#weightSquares[at] as number;
      const wu = this.#products[at] as number;
      const uu = this.#unitSquares[at] as number;
      energy += ww;
      error += Math.max(0, ww - 2 * scale * wu + scale * scale * uu);
    }
    return {
      relativeRms: energy > 0 ? Math.sqrt(error / energy) : 0,
      mse: this.#elements > 0 ? error / this.#elements : 0,
      sampledElements: this.#elements,
    };
  }
}
