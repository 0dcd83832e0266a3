import { halfConstants, narrowToF16 } from "../../lanes/half";

/**
 * float16 from f32: nearest, ties to even; |x| ≥ 65520 is infinity; NaN is sign | 0x7e00.
 *
 * @param sourcePtr  in   f32[elementCount]
 * @param targetPtr  out  f16[elementCount]; may be the source
 */
export function narrowF32ToF16(sourcePtr: usize, targetPtr: usize, elementCount: usize): void {
  const c = halfConstants();
  const magnitude = v128.load(c, 160);
  const toInfinity = v128.load(c, 16);
  const back = v128.load(c, 64);
  const bias = v128.load(c, 80);
  const exponent = v128.load(c, 48);
  const smallest = v128.load(c, 96);
  const fraction = v128.load(c, 112);
  const halfExponent = v128.load(c, 128);
  const nan = v128.load(c, 144);

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
