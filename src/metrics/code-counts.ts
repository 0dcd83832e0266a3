/**
 * Two signs that a scale is too small for its block.
 *
 * Saturated: the code is the lowest or the highest of its format. Some are normal: where the scale
 * is the block's absmax, the largest element has an end code by construction.
 *
 * Clipped: the weight lies beyond what the stored scale can represent. Inside the range no decoded
 * weight is further away than half the largest step between two levels:
 *
 *   clipped ⇔ |w − w'| > halfStep · (1 + 2⁻¹⁰),   halfStep = scale · largest step / 2
 *
 * The slack is for the rounding of w' to its float type.
 */

const SLACK = 1 + 2 ** -10;

/**
 * Codes, one a byte, that are an end of their format.
 *
 * @param lowest the lowest code as a byte: 0x80 for an int8 of −128
 * @param highest the highest code as a byte
 */
export function countSaturated(codes: Uint8Array, lowest: number, highest: number): number {
  let count = 0;
  for (const code of codes) {
    if (code === lowest || code === highest) count++;
  }
  return count;
}

/**
 * Elements from `start` to `end`, one block, that are clipped. NaN and infinity are not counted.
 *
 * @param halfStep half the largest step between two levels, times the block's scale; in the
 *   weights' own unit
 */
export function countClipped(
  original: Float32Array,
  restored: Float32Array,
  start: number,
  end: number,
  halfStep: number,
): number {
  const limit = halfStep * SLACK;
  let count = 0;
  for (let i = start; i < end; i++) {
    const error = Math.abs((original[i] as number) - (restored[i] as number));
    if (error > limit && error < Number.POSITIVE_INFINITY) count++;
  }
  return count;
}

/** The largest step between neighbouring levels; 0 for fewer than two. @param levels ascending */
export function largestStep(levels: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 1; i < levels.length; i++) {
    largest = Math.max(largest, (levels[i] as number) - (levels[i - 1] as number));
  }
  return largest;
}
