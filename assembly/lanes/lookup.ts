/** Bytes of a table of sixteen: one instruction where relaxed SIMD is on. */

/**
 * table[index] in every lane.
 *
 * Every index is below 16: what a relaxed swizzle gives for others is the engine's choice, for
 * these it gives what a swizzle gives.
 */
// @ts-ignore: decorator
@inline
export function lookUp16(table: v128, indices: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD
    ? i8x16.relaxed_swizzle(table, indices)
    : i8x16.swizzle(table, indices);
}
