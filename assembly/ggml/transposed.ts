/** Sub-blocks in lanes: a sum over one keeps its order, and four are summed at once. */

import { constant, MAGIC } from "./constants";

/** f32[count][4] at `target` from four runs of f32[count]; count is a multiple of 4. */
export function transpose(
  p0: usize,
  p1: usize,
  p2: usize,
  p3: usize,
  target: usize,
  count: usize,
): void {
  for (const end = p0 + (count << 2); p0 < end; p0 += 16) {
    const a = v128.load(p0);
    const b = v128.load(p1);
    const c = v128.load(p2);
    const d = v128.load(p3);
    const ab = i32x4.shuffle(a, b, 0, 4, 1, 5);
    const cd = i32x4.shuffle(c, d, 0, 4, 1, 5);
    const AB = i32x4.shuffle(a, b, 2, 6, 3, 7);
    const CD = i32x4.shuffle(c, d, 2, 6, 3, 7);
    v128.store(target, i64x2.shuffle(ab, cd, 0, 2));
    v128.store(target, i64x2.shuffle(ab, cd, 1, 3), 16);
    v128.store(target, i64x2.shuffle(AB, CD, 0, 2), 32);
    v128.store(target, i64x2.shuffle(AB, CD, 1, 3), 48);
    p1 += 16;
    p2 += 16;
    p3 += 16;
    target += 64;
  }
}

/** The value of largest magnitude in each lane, the first of equals. */
export function extremes(ptr: usize, count: usize): v128 {
  let most = f32x4.splat(0);
  let amax = most;
  for (const end = ptr + (count << 4); ptr < end; ptr += 16) {
    const x = v128.load(ptr);
    const size = f32x4.abs(x);
    most = v128.bitselect(x, most, f32x4.gt(size, amax));
    amax = f32x4.pmax(amax, size);
  }
  return most;
}

/**
 * The nearest whole number within limits, as f32, for |x| below 2^22 or NaN, which is `lowest`: ties to
 * even by adding 1.5 · 2^23.
 */
// @ts-ignore: decorator
@inline
export function within(x: v128, lowest: v128, highest: v128, magic: v128): v128 {
  const clamped = f32x4.pmin(highest, f32x4.pmax(lowest, x));
  return f32x4.sub(f32x4.add(clamped, magic), magic);
}

/** `nearestInt` of halves.ts in lanes, within limits. */
// @ts-ignore: decorator
@inline
export function nearestWithin(
  x: v128,
  lowest: v128,
  highest: v128,
  fraction: v128,
  middle: v128,
): v128 {
  const bits = v128.and(f32x4.add(x, constant(MAGIC)), fraction);
  return i32x4.max_s(lowest, i32x4.min_s(highest, i32x4.sub(bits, middle)));
}
