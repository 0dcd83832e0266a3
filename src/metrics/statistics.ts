/**
 * How a tensor's weights are spread, in two passes of tiles and constant memory: outliers are told
 * by σ, which is known only after the first pass.
 *
 * Counts, `min` and `max` are exact. Mean, std and kurtosis are merged from moments of runs of 4096
 * elements (see `moments.ts`): they do not lose digits when the mean is far from 0, and tiles of
 * any length give the same figures to about 1e-12.
 */

import { ArgumentError } from "../foundation/errors.ts";
import { type Moments, mergeMoments, momentsOf, NO_MOMENTS } from "./moments.ts";

/** An outlier is further than this many standard deviations from the mean. */
export const OUTLIER_SIGMAS = 6;

/** n = the finite elements: what all figures but the first two are about. */
export interface StatisticsFigures {
  readonly elements: number;
  /** NaN and infinities. */
  readonly nonFinite: number;
  /** Elements that are 0 or −0. */
  readonly zeros: number;
  /** Undefined when n = 0. */
  readonly min: number | undefined;
  readonly max: number | undefined;
  /** Undefined when n = 0. */
  readonly mean: number | undefined;
  /** Population standard deviation, √(Σ(w − mean)² / n); undefined when n = 0. */
  readonly std: number | undefined;
  /**
   * Fisher's excess kurtosis of the population: n·Σ(w − mean)⁴ / (Σ(w − mean)²)² − 3. 0 for a
   * normal distribution, −1.2 for a uniform one, positive for heavy tails. Undefined when all
   * elements are equal.
   */
  readonly excessKurtosis: number | undefined;
  /** Elements with |w − mean| > 6·std; undefined unless the second pass saw every element. */
  readonly outliers: number | undefined;
}

/** Elements of a run. */
const RUN_ELEMENTS = 4096;

/**
 * First `add` every tile, then `countOutliers` of every tile again, in any order.
 *
 * @example
 * const statistics = new TensorStatistics();
 * for (const tile of tiles()) statistics.add(tile);
 * for (const tile of tiles()) statistics.countOutliers(tile);
 * statistics.figures().outliers;
 */
export class TensorStatistics {
  #elements = 0;
  #zeros = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;
  #moments: Moments = NO_MOMENTS;
  #secondPass = 0;
  #outliers = 0;

  /** First pass. @throws ArgumentError after the second one has begun */
  add(tile: Float32Array): void {
    if (this.#secondPass > 0) {
      throw new ArgumentError("tile", "no tile after the second pass has begun", tile);
    }
    for (let start = 0; start < tile.length; start += RUN_ELEMENTS) {
      const end = Math.min(start + RUN_ELEMENTS, tile.length);
      this.#moments = mergeMoments(this.#moments, momentsOf(tile, start, end));
    }
    for (let i = 0; i < tile.length; i++) {
      const w = tile[i] as number;
      if (w === 0) this.#zeros++;
      if (w < this.#min && w !== Number.NEGATIVE_INFINITY) this.#min = w;
      if (w > this.#max && w !== Number.POSITIVE_INFINITY) this.#max = w;
    }
    this.#elements += tile.length;
  }

  /** Second pass. */
  countOutliers(tile: Float32Array): void {
    const { mean } = this.#moments;
    const limit = OUTLIER_SIGMAS * this.#std();
    let count = 0;
    for (let i = 0; i < tile.length; i++) {
      const distance = Math.abs((tile[i] as number) - mean);
      if (distance > limit && distance < Number.POSITIVE_INFINITY) count++;
    }
    this.#outliers += count;
    this.#secondPass += tile.length;
  }

  figures(): StatisticsFigures {
    const { count, mean, m2, m4 } = this.#moments;
    const some = count > 0;
    return {
      elements: this.#elements,
      nonFinite: this.#elements - count,
      zeros: this.#zeros,
      min: some ? this.#min : undefined,
      max: some ? this.#max : undefined,
      mean: some ? mean : undefined,
      std: some ? this.#std() : undefined,
      excessKurtosis: m2 > 0 ? (count * m4) / (m2 * m2) - 3 : undefined,
      outliers: this.#secondPass === this.#elements ? this.#outliers : undefined,
    };
  }

  #std(): number {
    const { count, m2 } = this.#moments;
    return count > 0 ? Math.sqrt(m2 / count) : 0;
  }
}

/** `StatisticsFigures` as JSON holds them. */
export type StatisticsJson = {
  readonly [Key in keyof StatisticsFigures]-?: number | null;
};

/** JSON would drop what is undefined: it becomes null. */
export function statisticsJson(figures: StatisticsFigures): StatisticsJson {
  return {
    ...figures,
    min: figures.min ?? null,
    max: figures.max ?? null,
    mean: figures.mean ?? null,
    std: figures.std ?? null,
    excessKurtosis: figures.excessKurtosis ?? null,
    outliers: figures.outliers ?? null,
  };
}
