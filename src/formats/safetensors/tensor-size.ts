/** How many bytes a shape takes: the only place that multiplies dimensions. */

import { type Dtype, dtypeBits } from "./dtypes.ts";
import { MAX_BYTES } from "./limits.ts";

/** Why a shape has no size. */
export type SizeProblem =
  | "its element count is above 2^53 − 1"
  | "its size is above 2^53 − 1"
  | "its elements do not fill whole bytes";

/**
 * Bytes of a tensor, or the reason why it can have none. As in the reference library, dimensions
 * are multiplied in order, so that `[2^40, 2^40, 0]` overflows and `[0, 2^40, 2^40]` is 0.
 *
 * @param shape  `rank` whole numbers from 0 to 2^53 − 1; more may follow
 */
export function tensorBytes(
  dtype: Dtype,
  shape: ArrayLike<number>,
  rank: number = shape.length,
): number | SizeProblem {
  let elements = 1;
  for (let i = 0; i < rank; i++) {
    elements *= shape[i] as number;
    if (elements > MAX_BYTES) return "its element count is above 2^53 − 1";
  }
  const bits = dtypeBits(dtype);
  if (bits >= 8) {
    const bytes = elements * (bits / 8);
    return bytes > MAX_BYTES ? "its size is above 2^53 − 1" : bytes;
  }
  if (elements * bits > MAX_BYTES) return "its size is above 2^53 − 1";
  const bytes = (elements * bits) / 8;
  return Number.isInteger(bytes) ? bytes : "its elements do not fill whole bytes";
}
