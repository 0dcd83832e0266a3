/** Counts of weights in bins of one width, over a range that is known beforehand. */

import { ArgumentError } from "../foundation/errors.ts";

/** Where bins begin and end. */
export interface HistogramRange {
  readonly lowest: number;
  readonly highest: number;
}

/** Plain data. Bin k covers lowest + k·width ≤ w < lowest + (k + 1)·width; the last has its end too. */
export interface HistogramCounts extends HistogramRange {
  readonly counts: readonly number[];
  /** Finite elements left and right of the range. */
  readonly below: number;
  readonly above: number;
  /** NaN and infinities. */
  readonly nonFinite: number;
}

/**
 * The range of a tensor's `min` and `max` after a first pass.
 *
 * Symmetric: ±max(|min|, |max|), the range of an absmax scale. Where all weights are equal the
 * range is opened around them, for a bin has a width.
 */
export function histogramRange(min: number, max: number, symmetric = false): HistogramRange {
  const absmax = Math.max(Math.abs(min), Math.abs(max));
  const [lowest, highest] = symmetric ? [-absmax, absmax] : [min, max];
  if (lowest < highest) return { lowest, highest };
  const half = absmax > 0 ? absmax / 2 : 1;
  return { lowest: lowest - half, highest: highest + half };
}

export class Histogram {
  readonly #lowest: number;
  readonly #highest: number;
  readonly #counts: Float64Array;
  #below = 0;
  #above = 0;
  #nonFinite = 0;

  /** @throws ArgumentError for a range without width, or no bin */
  constructor({ lowest, highest }: HistogramRange, binCount: number) {
    if (!(lowest < highest) || !Number.isFinite(highest - lowest)) {
      throw new ArgumentError("range", "finite numbers, lowest < highest", [lowest, highest]);
    }
    if (!Number.isSafeInteger(binCount) || binCount < 1) {
      throw new ArgumentError("binCount", "a whole number of 1 or more", binCount);
    }
    this.#lowest = lowest;
    this.#highest = highest;
    this.#counts = new Float64Array(binCount);
  }

  add(tile: Float32Array): void {
    const counts = this.#counts;
    const lowest = this.#lowest;
    const highest = this.#highest;
    const binCount = counts.length;
    const binsPerUnit = binCount / (highest - lowest);
    for (let i = 0; i < tile.length; i++) {
      const w = tile[i] as number;
      if (w >= lowest && w <= highest) {
        const bin = Math.min(binCount - 1, Math.floor((w - lowest) * binsPerUnit));
        counts[bin] = (counts[bin] as number) + 1;
      } else if (w - w !== 0) {
        this.#nonFinite++;
      } else if (w < lowest) {
        this.#below++;
      } else {
        this.#above++;
      }
    }
  }

  counts(): HistogramCounts {
    return {
      lowest: this.#lowest,
      highest: this.#highest,
      counts: Array.from(this.#counts),
      below: this.#below,
      above: this.#above,
      nonFinite: this.#nonFinite,
    };
  }
}
