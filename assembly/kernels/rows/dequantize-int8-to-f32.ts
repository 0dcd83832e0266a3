/** f32 bits of 1/127 as bitsandbytes rounds it (0.007874015718698502; `_ops.py`). */
const INVERSE_127: u32 = 0x3c010204;

/**
 * values[i] = fl(fl(code · scale) · fl(1/127)): one row, or a piece of one, of LLM.int8.
 *
 * @param codesPtr      in   i8[elementCount]
 * @param valuesPtr     out  f32[elementCount]
 * @param elementCount  any
 * @param scale         largest |x| of the row
 */
export function dequantizeInt8ToF32(
  codesPtr: usize,
  valuesPtr: usize,
  elementCount: usize,
  scale: f32,
): void {
  const scales = f32x4.splat(scale);
  const inverse = reinterpret<f32>(INVERSE_127);
  const inverses = f32x4.splat(inverse);
  const end = codesPtr + elementCount;
  for (const last = codesPtr + (elementCount & ~7); codesPtr < last; codesPtr += 8) {
    const codes = v128.load8x8_s(codesPtr);
    const v0 = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(codes));
    const v1 = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(codes));
    v128.store(valuesPtr, f32x4.mul(f32x4.mul(v0, scales), inverses));
    v128.store(valuesPtr, f32x4.mul(f32x4.mul(v1, scales), inverses), 16);
    valuesPtr += 32;
  }
  for (; codesPtr < end; codesPtr++, valuesPtr += 4) {
    store<f32>(valuesPtr, <f32>load<i8>(codesPtr) * scale * inverse);
  }
}
