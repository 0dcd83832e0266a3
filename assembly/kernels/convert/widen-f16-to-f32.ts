import { halfConstants, widenMagnitude } from "../../lanes/half";

/**
 * f32 from float16, exactly. A NaN keeps its sign and its fraction.
 *
 * @param sourcePtr  in   f16[elementCount]
 * @param targetPtr  out  f32[elementCount]; may not overlap the source
 */
export function widenF16ToF32(sourcePtr: usize, targetPtr: usize, elementCount: usize): void {
  const constants = halfConstants();
  const signs = v128.load(constants, 176);
  const scale = v128.load(constants, 16);
  const largest = v128.load(constants, 32);
  const exponent = v128.load(constants, 48);
  const zero = i32x4.splat(0);

  const end = sourcePtr + (elementCount << 1);
  for (const last = sourcePtr + ((elementCount & ~15) << 1); sourcePtr < last; ) {
    const h0 = v128.load(sourcePtr);
    const h1 = v128.load(sourcePtr, 16);
    const sign0 = v128.and(h0, signs);
    const sign1 = v128.and(h1, signs);
    const m0 = v128.xor(h0, sign0);
    const m1 = v128.xor(h1, sign1);
    // Interleaved above zeros a half sits 16 bits up; 3 down again leaves it shifted by 13.
    const w0 = i32x4.shr_u(i16x8.shuffle(zero, m0, 0, 8, 1, 9, 2, 10, 3, 11), 3);
    const w1 = i32x4.shr_u(i16x8.shuffle(zero, m0, 4, 12, 5, 13, 6, 14, 7, 15), 3);
    const w2 = i32x4.shr_u(i16x8.shuffle(zero, m1, 0, 8, 1, 9, 2, 10, 3, 11), 3);
    const w3 = i32x4.shr_u(i16x8.shuffle(zero, m1, 4, 12, 5, 13, 6, 14, 7, 15), 3);
    const s0 = i16x8.shuffle(zero, sign0, 0, 8, 1, 9, 2, 10, 3, 11);
    const s1 = i16x8.shuffle(zero, sign0, 4, 12, 5, 13, 6, 14, 7, 15);
    const s2 = i16x8.shuffle(zero, sign1, 0, 8, 1, 9, 2, 10, 3, 11);
    const s3 = i16x8.shuffle(zero, sign1, 4, 12, 5, 13, 6, 14, 7, 15);
    v128.store(targetPtr, v128.or(s0, widenMagnitude(w0, scale, largest, exponent)));
    v128.store(targetPtr, v128.or(s1, widenMagnitude(w1, scale, largest, exponent)), 16);
    v128.store(targetPtr, v128.or(s2, widenMagnitude(w2, scale, largest, exponent)), 32);
    v128.store(targetPtr, v128.or(s3, widenMagnitude(w3, scale, largest, exponent)), 48);
    sourcePtr += 32;
    targetPtr += 64;
  }
  for (; sourcePtr < end; sourcePtr += 2, targetPtr += 4) {
    const half: u32 = load<u16>(sourcePtr);
    const w = i32x4.splat((half & 0x7fff) << 13);
    const magnitude = i32x4.extract_lane(widenMagnitude(w, scale, largest, exponent), 0);
    store<u32>(targetPtr, <u32>magnitude | ((half & 0x8000) << 16));
  }
}
