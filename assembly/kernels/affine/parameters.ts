/** No scale is smaller: 2^-126, the smallest normal f32. */
const SMALLEST_NORMAL: u32 = 0x00800000;

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
  const steps = highest - lowest;
  for (const end = minPtr + (scaleCount << 2); minPtr < end; minPtr += 4) {
    const least = load<f32>(minPtr);
    const most = load<f32>(maxPtr);
    const span = most - least;
    const step = span < f32.POSITIVE_INFINITY ? span / steps : most / steps - least / steps;
    const scale = atLeastSmallest(step, least, most);
    store<f32>(scalePtr, scale);
    const zeroPoint = nearest<f32>(lowest - least / scale);
    // The addition makes −0 a +0.
    store<f32>(zeroPointPtr, min<f32>(max<f32>(zeroPoint, lowest), highest) + <f32>0);
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
  for (const end = minPtr + (scaleCount << 2); minPtr < end; minPtr += 4) {
    const least = load<f32>(minPtr);
    const most = load<f32>(maxPtr);
    store<f32>(scalePtr, atLeastSmallest(max<f32>(-least, most) / highest, least, most));
    maxPtr += 4;
    scalePtr += 4;
  }
}

// @ts-ignore: decorator
@inline
export function atLeastSmallest(scale: f32, least: f32, most: f32): f32 {
  if (least === 0 && most === 0) return 1;
  return max<f32>(scale, reinterpret<f32>(SMALLEST_NORMAL));
}
