import { halfConstants, narrowToBf16 } from "../../lanes/half";

/**
 * bfloat16 from f32: nearest, ties to even; NaN is 0x7fc0.
 *
 * @param sourcePtr  in   f32[elementCount]
 * @param targetPtr  out  bf16[elementCount]; may be the source
 */
export function narrowF32ToBf16(sourcePtr: usize, targetPtr: usize, elementCount: usize): void {
  const c = halfConstants();
  const magnitude = v128.load(c, 160);
  const exponent = v128.load(c, 48);
  const rounding = v128.load(c, 192);
  const one = v128.load(c, 208);
  const nan = v128.load(c, 224);

  const end = sourcePtr + (elementCount << 2);
  for (const last = sourcePtr + ((elementCount & ~15) << 2); sourcePtr < last; ) {
    const h0 = narrowToBf16(v128.load(sourcePtr), magnitude, exponent, rounding, one, nan);
    const h1 = narrowToBf16(v128.load(sourcePtr, 16), magnitude, exponent, rounding, one, nan);
    const h2 = narrowToBf16(v128.load(sourcePtr, 32), magnitude, exponent, rounding, one, nan);
    const h3 = narrowToBf16(v128.load(sourcePtr, 48), magnitude, exponent, rounding, one, nan);
    v128.store(targetPtr, i16x8.narrow_i32x4_u(h0, h1));
    v128.store(targetPtr, i16x8.narrow_i32x4_u(h2, h3), 16);
    sourcePtr += 64;
    targetPtr += 32;
  }
  for (; sourcePtr < end; sourcePtr += 4, targetPtr += 2) {
    const x = v128.load32_zero(sourcePtr);
    const h = narrowToBf16(x, magnitude, exponent, rounding, one, nan);
    store<u16>(targetPtr, i16x8.extract_lane_u(h, 0));
  }
}
