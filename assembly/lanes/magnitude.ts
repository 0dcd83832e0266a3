/** Whether values are finite, found by the way: their largest magnitude, as bits. */

/** Largest magnitude of sixteen f32 and of `top`, lane by lane; NaN is larger than infinity. */
// @ts-ignore: decorator
@inline
export function largerMagnitude(
  top: v128,
  x0: v128,
  x1: v128,
  x2: v128,
  x3: v128,
  magnitude: v128,
): v128 {
  const m0 = i32x4.max_s(v128.and(x0, magnitude), v128.and(x1, magnitude));
  const m1 = i32x4.max_s(v128.and(x2, magnitude), v128.and(x3, magnitude));
  return i32x4.max_s(top, i32x4.max_s(m0, m1));
}

/** The largest of four lanes that are not negative. */
// @ts-ignore: decorator
@inline
export function largestLane(lanes: v128): u32 {
  const pairs = i32x4.max_s(lanes, i32x4.shuffle(lanes, lanes, 2, 3, 0, 1));
  return max<u32>(i32x4.extract_lane(pairs, 0), i32x4.extract_lane(pairs, 1));
}
