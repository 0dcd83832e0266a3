/**
 * ⌊log2f(x)⌋ as ggml computes it for MXFP4's exponents. Just below a power of two the float
 * logarithm rounds up to the whole number, so that the result is one above x's exponent.
 */

/**
 * How many floats below 2^k have k for their logarithm, by |k|: the last entry whose first number
 * is not above it. Derived from the spacing of floats at k, and equal to a correctly rounded log2f
 * for every positive normal float.
 */
const NEIGHBOURS: readonly (readonly [positive: number, negative: number, count: number])[] = [
  [65, 64, 44],
  [33, 32, 22],
  [17, 16, 11],
  [9, 8, 5],
  [5, 4, 2],
  [3, 2, 1],
];

/** @param bits the bits of a positive normal float */
export function log2Floor(bits: number): number {
  const exponent = (bits >>> 23) - 127;
  const next = exponent + 1;
  const below = 0x800000 - (bits & 0x7fffff);
  return below <= neighboursOf(next) ? next : exponent;
}

function neighboursOf(k: number): number {
  const row = NEIGHBOURS.find(([positive, negative]) => k >= positive || k <= -negative);
  return row === undefined ? 0 : row[2];
}
