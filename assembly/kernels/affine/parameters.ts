/** Scales and zero points from ranges, four at a time. */

/**
 * scale = fl(fl(max − min) / (highest − lowest)), at least 2^-126; 1 where min = max = 0;
 * fl(fl(max / (highest − lowest)) − fl(min / (highest − lowest))) where max − min overflows.
 * zeroPoint = clamp(round-half-even(fl(lowest − fl(min / scale))), lowest, highest)
 *
 * @param minPtr        in   f32[scaleCount], finite, 0 or below
 * @param maxPtr        in   f32[scaleCount], finite, 0 or above
 * @param scalePtr      out  f32[scaleCount]
 * @param zeroPointPtr  out  f32[scaleCount], whole numbers, never −0
 * @param scaleCount    any
 * @param lowest        smallest code
 * @param highest       largest code
 */
export function affineParameters(
  minPtr: usize,
  maxPtr: usize,
  scalePtr: usize,
  zeroPointPtr: usize,
  scaleCount: usize,
  lowest: f32,
  highest: f32,
): void {
  const steps = f32x4.splat(highest - lowest);
  const low = f32x4.splat(lowest);
  const high = f32x4.splat(highest);
  for (; scaleCount >= 4; scaleCount -= 4) {
    const least = v128.load(minPtr);
    const scale = scales4(least, v128.load(maxPtr), steps);
    v128.store(scalePtr, scale);
    v128.store(zeroPointPtr, zeroPoints4(least, scale, low, high));
    minPtr += 16;
    maxPtr += 16;
    scalePtr += 16;
    zeroPointPtr += 16;
  }
  for (; scaleCount > 0; scaleCount--) {
    const least = v128.load32_zero(minPtr);
    const scale = scales4(least, v128.load32_zero(maxPtr), steps);
    v128.store32_lane(scalePtr, scale, 0);
    v128.store32_lane(zeroPointPtr, zeroPoints4(least, scale, low, high), 0);
    minPtr += 4;
    maxPtr += 4;
    scalePtr += 4;
    zeroPointPtr += 4;
  }
}

/**
 * scale = fl(max(−min, max) / highest), at least 2^-126; 1 where min = max = 0.
 *
 * @param minPtr      in   f32[scaleCount], finite, 0 or below
 * @param maxPtr      in   f32[scaleCount], finite, 0 or above
 * @param scalePtr    out  f32[scaleCount]
 * @param scaleCount  any
 * @param highest     largest code
 */
export function symmetricScales(
  minPtr: usize,
  maxPtr: usize,
  scalePtr: usize,
  scaleCount: usize,
  highest: f32,
): void {
  const steps = f32x4.splat(highest);
  for (; scaleCount >= 4; scaleCount -= 4) {
    v128.store(scalePtr, symmetric4(v128.load(minPtr), v128.load(maxPtr), steps));
    minPtr += 16;
    maxPtr += 16;
    scalePtr += 16;
  }
  for (; scaleCount > 0; scaleCount--) {
    const scale = symmetric4(v128.load32_zero(minPtr), v128.load32_zero(maxPtr), steps);
    v128.store32_lane(scalePtr, scale, 0);
    minPtr += 4;
    maxPtr += 4;
    scalePtr += 4;
  }
}

// @ts-ignore: decorator
@inline
function scales4(least: v128, most: v128, steps: v128): v128 {
  const span = f32x4.sub(most, least);
  const isFinite = f32x4.lt(span, f32x4.splat(f32.POSITIVE_INFINITY));
  let step = f32x4.div(span, steps);
  if (!i32x4.all_true(isFinite)) {
    const halves = f32x4.sub(f32x4.div(most, steps), f32x4.div(least, steps));
    step = v128.bitselect(step, halves, isFinite);
  }
  return usable4(step, least, most);
}

// @ts-ignore: decorator
@inline
function symmetric4(least: v128, most: v128, steps: v128): v128 {
  return usable4(f32x4.div(f32x4.pmax(f32x4.neg(least), most), steps), least, most);
}

/** The addition makes −0 a +0. */
// @ts-ignore: decorator
@inline
function zeroPoints4(least: v128, scale: v128, low: v128, high: v128): v128 {
  const zeroPoint = f32x4.nearest(f32x4.sub(low, f32x4.div(least, scale)));
  return f32x4.add(f32x4.pmin(high, f32x4.pmax(low, zeroPoint)), f32x4.splat(0));
}

/** At least 2^-126, the smallest normal f32; 1 where the range is empty. */
// @ts-ignore: decorator
@inline
function usable4(scale: v128, least: v128, most: v128): v128 {
  const zero = f32x4.splat(0);
  const isEmpty = v128.and(f32x4.eq(least, zero), f32x4.eq(most, zero));
  const smallest = i32x4.splat(0x00800000);
  return v128.bitselect(f32x4.splat(1), f32x4.pmax(smallest, scale), isEmpty);
}
