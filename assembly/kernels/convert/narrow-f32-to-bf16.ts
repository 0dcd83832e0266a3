import {
  BF16_NAN,
  BF16_ROUNDING,
  F32_EXPONENT,
  F32_MAGNITUDE,
  halfConstant,
  narrowToBf16,
  ONE,
  roundToBf16,
} from "../../lanes/half";

/**
 * bfloat16 from f32: nearest, ties to even; NaN is 0x7fc0.
 *
 * @param sourcePtr  in   f32[elementCount]
 * @param targetPtr  out  bf16[elementCount]; may be the source
 */
export function narrowF32ToBf16(sourcePtr: usize, targetPtr: usize, elementCount: usize): void {
  const magnitude = halfConstant(F32_MAGNITUDE);
  const exponent = halfConstant(F32_EXPONENT);
  const rounding = halfConstant(BF16_ROUNDING);
  const one = halfConstant(ONE);

  const end = sourcePtr + (elementCount << 2);
  for (const last = sourcePtr + ((elementCount & ~15) << 2); sourcePtr < last; ) {
    const x0 = v128.load(sourcePtr);
    const x1 = v128.load(sourcePtr, 16);
    const x2 = v128.load(sourcePtr, 32);
    const x3 = v128.load(sourcePtr, 48);
    const top = i32x4.max_s(
      i32x4.max_s(v128.and(x0, magnitude), v128.and(x1, magnitude)),
      i32x4.max_s(v128.and(x2, magnitude), v128.and(x3, magnitude)),
    );
    if (v128.any_true(i32x4.gt_s(top, exponent))) {
      narrowAny(sourcePtr, targetPtr, sourcePtr + 64);
    } else {
      const h0 = roundToBf16(x0, rounding, one);
      const h1 = roundToBf16(x1, rounding, one);
      const h2 = roundToBf16(x2, rounding, one);
      const h3 = roundToBf16(x3, rounding, one);
      v128.store(targetPtr, i16x8.narrow_i32x4_u(h0, h1));
      v128.store(targetPtr, i16x8.narrow_i32x4_u(h2, h3), 16);
    }
    sourcePtr += 64;
    targetPtr += 32;
  }
  narrowAny(sourcePtr, targetPtr, end);
}

/** One at a time, NaN included. */
function narrowAny(sourcePtr: usize, targetPtr: usize, end: usize): void {
  const magnitude = halfConstant(F32_MAGNITUDE);
  const exponent = halfConstant(F32_EXPONENT);
  const rounding = halfConstant(BF16_ROUNDING);
  const one = halfConstant(ONE);
  const nan = halfConstant(BF16_NAN);
  for (; sourcePtr < end; sourcePtr += 4, targetPtr += 2) {
    const x = v128.load32_zero(sourcePtr);
    const h = narrowToBf16(x, magnitude, exponent, rounding, one, nan);
    store<u16>(targetPtr, i16x8.extract_lane_u(h, 0));
  }
}
