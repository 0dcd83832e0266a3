/** Shapes and their products. */

import { ArgumentError } from "./errors.ts";

/**
 * Number of elements of a shape; the empty shape is a scalar.
 *
 * @throws ArgumentError for a dimension that is no whole number ≥ 0, or a product past 2^53 − 1
 */
export function elementCountOf(shape: readonly number[]): number {
  if (!Array.isArray(shape)) throw new ArgumentError("shape", "an array of dimensions", shape);
  let count = 1;
  for (const dimension of shape) {
    if (!Number.isSafeInteger(dimension) || dimension < 0) {
      throw new ArgumentError("shape", "whole dimensions ≥ 0", shape);
    }
    count *= dimension;
  }
  if (!Number.isSafeInteger(count)) {
    throw new ArgumentError("shape", "at most 2^53 − 1 elements", shape);
  }
  return count;
}
