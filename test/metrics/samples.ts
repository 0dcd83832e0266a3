/** Weights that numpy made too, and cuts of a tensor into tiles. */

import fc from "fast-check";

/** Uniform in [−0.5, 0.5): x ← 48271·x mod (2³¹ − 1), the minimal standard generator. */
export function uniform(count: number, seed = 1): Float32Array {
  let x = seed;
  return Float32Array.from({ length: count }, () => {
    x = (x * 48271) % 2147483647;
    return x / 2147483647 - 0.5;
  });
}

/** As `uniform`, to the nearest sixteenth. */
export function sixteenths(weights: Float32Array): Float32Array {
  return weights.map((w) => Math.round(w * 16) / 16);
}

/** The tiles between cuts; empty ones too. */
export function tilesOf(weights: Float32Array, cuts: readonly number[]): Float32Array[] {
  const ends = [...cuts.map((cut) => cut % (weights.length + 1)), weights.length];
  ends.sort((a, b) => a - b);
  return ends.map((end, i) => weights.subarray(ends[i - 1] ?? 0, end));
}

/** Finite f32 of very different sizes; squares of the smallest are far below f64's rounding. */
export const finiteWeights = fc.array(
  fc.oneof(
    fc.float({ noNaN: true, noDefaultInfinity: true }),
    fc.float({ noNaN: true, min: -1, max: 1 }),
    fc.constantFrom(0, -0, 1, -1),
  ),
  { minLength: 1, maxLength: 200 },
);

export const cuts = fc.array(fc.nat(), { maxLength: 6 });
