import {
  EXPONENT_BIAS,
  F32_EXPONENT,
  F32_MAGNITUDE,
  HALF_EXPONENT,
  HALF_FRACTION,
  HALF_NANS,
  halfConstant,
  narrowToF16,
  SMALLEST_BIAS,
  TWO_POW_112,
  TWO_POW_MINUS_110,
} from "../../lanes/half";

/**
 * float16 from f32: nearest, ties to even; |x| ≥ 65520 is infinity; NaN is sign | 0x7e00.
 *
 * @param sourcePtr  in   f32[elementCount]
 * @param targetPtr  out  f16[elementCount]; may be the source
 */
export function narrowF32ToF16(sourcePtr: usize, targetPtr: usize, elementCount: usize): void {
  const magnitude = halfConstant(F32_MAGNITUDE);
  const toInfinity = halfConstant(TWO_POW_112);
  const back = halfConstant(TWO_POW_MINUS_110);
  const bias = halfConstant(EXPONENT_BIAS);
  const exponent = halfConstant(F32_EXPONENT);
  const smallest = halfConstant(SMALLEST_BIAS);
  const fraction = halfConstant(HALF_FRACTION);
  const halfExponent = halfConstant(HALF_EXPONENT);
  const nan = halfConstant(HALF_NANS);

  const end = sourcePtr + (elementCount << 2);
  for (const last = sourcePtr + ((elementCount & ~7) << 2); sourcePtr < last; ) {
    v128.store(
      targetPtr,
      narrowToF16(
        v128.load(sourcePtr),
        v128.load(sourcePtr, 16),
        magnitude,
        toInfinity,
        back,
        bias,
        exponent,
        smallest,
        fraction,
        halfExponent,
        nan,
      ),
    );
    sourcePtr += 32;
    targetPtr += 16;
  }
  for (; sourcePtr < end; sourcePtr += 4, targetPtr += 2) {
    const x = v128.load32_zero(sourcePtr);
    const h = narrowToF16(
      x,
      x,
      magnitude,
      toInfinity,
      back,
      bias,
      exponent,
      smallest,
      fraction,
      halfExponent,
      nan,
    );
    store<u16>(targetPtr, i16x8.extract_lane_u(h, 0));
  }
}
