import {
  F32_EXPONENT,
  HALF_MAGNITUDES,
  halfConstant,
  LARGEST_HALF,
  LARGEST_HALVES,
  SHIFTED_HALF,
  TWO_POW_112,
  widenMagnitude,
} from "../../lanes/half";

/**
 * f32 from float16, exactly. A NaN keeps its sign and its fraction.
 *
 *   f32 = (half, its fields moved to those of f32) · 2^112     for all but infinity and NaN
 *
 * @param sourcePtr  in   f16[elementCount]
 * @param targetPtr  out  f32[elementCount]; may not overlap the source
 */
export function widenF16ToF32(sourcePtr: usize, targetPtr: usize, elementCount: usize): void {
  const magnitudes = halfConstant(HALF_MAGNITUDES);
  const largest = halfConstant(LARGEST_HALVES);
  const fields = halfConstant(SHIFTED_HALF);
  const scale = halfConstant(TWO_POW_112);
  const zero = i32x4.splat(0);

  const end = sourcePtr + (elementCount << 1);
  for (const last = sourcePtr + ((elementCount & ~15) << 1); sourcePtr < last; ) {
    const h0 = v128.load(sourcePtr);
    const h1 = v128.load(sourcePtr, 16);
    const top = i16x8.max_u(v128.and(h0, magnitudes), v128.and(h1, magnitudes));
    if (v128.any_true(i16x8.gt_s(top, largest))) {
      widenAny(sourcePtr, targetPtr, sourcePtr + 32);
    } else {
      // Interleaved above zeros a half sits 16 bits up; 3 down again, its fields are in place.
      const w0 = i32x4.shr_s(i16x8.shuffle(zero, h0, 0, 8, 1, 9, 2, 10, 3, 11), 3);
      const w1 = i32x4.shr_s(i16x8.shuffle(zero, h0, 4, 12, 5, 13, 6, 14, 7, 15), 3);
      const w2 = i32x4.shr_s(i16x8.shuffle(zero, h1, 0, 8, 1, 9, 2, 10, 3, 11), 3);
      const w3 = i32x4.shr_s(i16x8.shuffle(zero, h1, 4, 12, 5, 13, 6, 14, 7, 15), 3);
      v128.store(targetPtr, f32x4.mul(v128.and(w0, fields), scale));
      v128.store(targetPtr, f32x4.mul(v128.and(w1, fields), scale), 16);
      v128.store(targetPtr, f32x4.mul(v128.and(w2, fields), scale), 32);
      v128.store(targetPtr, f32x4.mul(v128.and(w3, fields), scale), 48);
    }
    sourcePtr += 32;
    targetPtr += 64;
  }
  widenAny(sourcePtr, targetPtr, end);
}

/** One at a time, infinity and NaN included. */
function widenAny(sourcePtr: usize, targetPtr: usize, end: usize): void {
  const scale = halfConstant(TWO_POW_112);
  const largest = halfConstant(LARGEST_HALF);
  const exponent = halfConstant(F32_EXPONENT);
  for (; sourcePtr < end; sourcePtr += 2, targetPtr += 4) {
    const half: u32 = load<u16>(sourcePtr);
    const w = i32x4.splat((half & 0x7fff) << 13);
    const magnitude = i32x4.extract_lane(widenMagnitude(w, scale, largest, exponent), 0);
    store<u32>(targetPtr, <u32>magnitude | ((half & 0x8000) << 16));
  }
}
