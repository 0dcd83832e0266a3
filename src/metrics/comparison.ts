/**
 * How far a restored tensor w' is from the original w: sums over pairs of elements, fed tile by
 * tile. Whatever is shown follows from the sums, so tensors add up to a model by adding sums.
 *
 * Sums are f64: four running sums over runs of 4096 elements, then run by run. The same tiles give
 * the same bits; other tiles of the same tensor agree to about 1e-13.
 */

import { ArgumentError } from "../foundation/errors.ts";

/** How many of the elements that were looked at have some property. */
export interface ElementCount {
  readonly count: number;
  /** Elements that were looked at; 0 where nobody could tell. */
  readonly elements: number;
}

/** What the caller knows about the codes of one tile; see `code-counts.ts`. */
export interface TileCounts {
  /** Elements whose code is the lowest or the highest of its format. */
  readonly saturated?: number | undefined;
  /** Elements beyond what their stored scale can represent. */
  readonly clipped?: number | undefined;
}

/** The largest |w − w'|. */
export interface LargestError {
  readonly magnitude: number;
  /** Index of the first element that has it, in the flattened tensor. */
  readonly index: number;
  /** Which of the added tensors it is in; 0 for one tensor. */
  readonly tensor: number;
}

/** Plain data; Σ runs over the pairs where both elements are finite. */
export interface ComparisonSums {
  /** All elements, the non-finite ones too. */
  readonly elements: number;
  /** Pairs that are in no sum: either element is NaN or infinite. */
  readonly nonFinite: number;
  /** Those of them where the original element is finite: the restored model made them. */
  readonly newNonFinite: number;
  /** Σ(w − w')². */
  readonly errorSquares: number;
  /** Σw². */
  readonly originalSquares: number;
  /** Σw'². */
  readonly restoredSquares: number;
  /** Σw·w'. */
  readonly products: number;
  /** Undefined when no element differs. */
  readonly largestError: LargestError | undefined;
  readonly saturated: ElementCount;
  readonly clipped: ElementCount;
}

/** Elements of a run: short enough that a sum's rounding stays far below 1e-12. */
const RUN_ELEMENTS = 4096;

const NOTHING: ElementCount = { count: 0, elements: 0 };

/** Compares one tensor with what it became. Memory is constant. */
export class TensorComparison {
  #elements = 0;
  #nonFinite = 0;
  #newNonFinite = 0;
  #errorSquares = 0;
  #originalSquares = 0;
  #restoredSquares = 0;
  #products = 0;
  #largest = 0;
  #largestIndex = 0;
  #saturated = NOTHING;
  #clipped = NOTHING;

  /**
   * Adds the next elements, in order.
   *
   * @param counts what is known about their codes; a property left out is unknown
   * @throws ArgumentError if the tiles differ in length
   */
  add(original: Float32Array, restored: Float32Array, counts: TileCounts = {}): void {
    const length = original.length;
    if (restored.length !== length) {
      throw new ArgumentError("restored", `${length} elements, as in original`, restored.length);
    }
    for (let start = 0; start < length; start += RUN_ELEMENTS) {
      this.#addRun(original, restored, start, Math.min(start + RUN_ELEMENTS, length));
    }
    this.#elements += length;
    this.#saturated = plus(this.#saturated, countOf(counts.saturated, length));
    this.#clipped = plus(this.#clipped, countOf(counts.clipped, length));
  }

  sums(): ComparisonSums {
    return {
      elements: this.#elements,
      nonFinite: this.#nonFinite,
      newNonFinite: this.#newNonFinite,
      errorSquares: this.#errorSquares,
      originalSquares: this.#originalSquares,
      restoredSquares: this.#restoredSquares,
      products: this.#products,
      largestError:
        this.#largest > 0
          ? { magnitude: this.#largest, index: this.#largestIndex, tensor: 0 }
          : undefined,
      saturated: this.#saturated,
      clipped: this.#clipped,
    };
  }

  #addRun(original: Float32Array, restored: Float32Array, start: number, end: number): void {
    let ee0 = 0;
    let ee1 = 0;
    let ee2 = 0;
    let ee3 = 0;
    let ww0 = 0;
    let ww1 = 0;
    let ww2 = 0;
    let ww3 = 0;
    let rr0 = 0;
    let rr1 = 0;
    let rr2 = 0;
    let rr3 = 0;
    let wr0 = 0;
    let wr1 = 0;
    let wr2 = 0;
    let wr3 = 0;
    let largest = 0;
    let i = start;
    for (const last = end - 3; i < last; i += 4) {
      const w0 = original[i] as number;
      const w1 = original[i + 1] as number;
      const w2 = original[i + 2] as number;
      const w3 = original[i + 3] as number;
      const r0 = restored[i] as number;
      const r1 = restored[i + 1] as number;
      const r2 = restored[i + 2] as number;
      const r3 = restored[i + 3] as number;
      const e0 = w0 - r0;
      const e1 = w1 - r1;
      const e2 = w2 - r2;
      const e3 = w3 - r3;
      ee0 += e0 * e0;
      ee1 += e1 * e1;
      ee2 += e2 * e2;
      ee3 += e3 * e3;
      ww0 += w0 * w0;
      ww1 += w1 * w1;
      ww2 += w2 * w2;
      ww3 += w3 * w3;
      rr0 += r0 * r0;
      rr1 += r1 * r1;
      rr2 += r2 * r2;
      rr3 += r3 * r3;
      wr0 += w0 * r0;
      wr1 += w1 * r1;
      wr2 += w2 * r2;
      wr3 += w3 * r3;
      largest = Math.max(largest, Math.abs(e0), Math.abs(e1), Math.abs(e2), Math.abs(e3));
    }
    for (; i < end; i++) {
      const w = original[i] as number;
      const r = restored[i] as number;
      const e = w - r;
      ee0 += e * e;
      ww0 += w * w;
      rr0 += r * r;
      wr0 += w * r;
      largest = Math.max(largest, Math.abs(e));
    }
    const ww = ww0 + ww1 + (ww2 + ww3);
    const rr = rr0 + rr1 + (rr2 + rr3);
    // f64 holds the squares of every finite f32: only NaN and infinity spoil a sum.
    if (!Number.isFinite(ww + rr)) {
      this.#addFiniteOf(original, restored, start, end);
      return;
    }
    this.#errorSquares += ee0 + ee1 + (ee2 + ee3);
    this.#originalSquares += ww;
    this.#restoredSquares += rr;
    this.#products += wr0 + wr1 + (wr2 + wr3);
    if (largest > this.#largest) {
      this.#largest = largest;
      let at = start;
      while (Math.abs((original[at] as number) - (restored[at] as number)) !== largest) at++;
      this.#largestIndex = this.#elements + at;
    }
  }

  /** As `#addRun`, leaving out the pairs that are not finite. */
  #addFiniteOf(original: Float32Array, restored: Float32Array, start: number, end: number): void {
    let ee = 0;
    let ww = 0;
    let rr = 0;
    let wr = 0;
    for (let i = start; i < end; i++) {
      const w = original[i] as number;
      const r = restored[i] as number;
      if (!Number.isFinite(w) || !Number.isFinite(r)) {
        this.#nonFinite++;
        if (Number.isFinite(w)) this.#newNonFinite++;
        continue;
      }
      const e = w - r;
      ee += e * e;
      ww += w * w;
      rr += r * r;
      wr += w * r;
      if (Math.abs(e) > this.#largest) {
        this.#largest = Math.abs(e);
        this.#largestIndex = this.#elements + i;
      }
    }
    this.#errorSquares += ee;
    this.#originalSquares += ww;
    this.#restoredSquares += rr;
    this.#products += wr;
  }
}

/** The sums over several tensors: sums are added, so every element weighs the same. */
export function addComparisons(list: readonly ComparisonSums[]): ComparisonSums {
  const total = (of: (sums: ComparisonSums) => number) =>
    list.reduce((sum, sums) => sum + of(sums), 0);
  let largestError: LargestError | undefined;
  for (const [tensor, { largestError: own }] of list.entries()) {
    if (own !== undefined && own.magnitude > (largestError?.magnitude ?? 0)) {
      largestError = { ...own, tensor };
    }
  }
  return {
    elements: total((sums) => sums.elements),
    nonFinite: total((sums) => sums.nonFinite),
    newNonFinite: total((sums) => sums.newNonFinite),
    errorSquares: total((sums) => sums.errorSquares),
    originalSquares: total((sums) => sums.originalSquares),
    restoredSquares: total((sums) => sums.restoredSquares),
    products: total((sums) => sums.products),
    largestError,
    saturated: list.reduce((sum, { saturated }) => plus(sum, saturated), NOTHING),
    clipped: list.reduce((sum, { clipped }) => plus(sum, clipped), NOTHING),
  };
}

function countOf(count: number | undefined, elements: number): ElementCount {
  return count === undefined ? NOTHING : { count, elements };
}

function plus(a: ElementCount, b: ElementCount): ElementCount {
  return { count: a.count + b.count, elements: a.elements + b.elements };
}
