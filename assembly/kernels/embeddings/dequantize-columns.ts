/**
 * value = start[c] + code · step[c] in f64, rounded once to f32.
 *
 * @param codesPtr     in   u8[rowCount · columnCount]
 * @param startPtr     in   f32[columnCount]
 * @param stepPtr      in   f32[columnCount]
 * @param valuesPtr    out  f32[rowCount · columnCount]
 * @param columnCount  any
 * @param flip         0x80 where codes were stored less 128, or 0
 */
export function dequantizeColumns8ToF32(
  codesPtr: usize,
  startPtr: usize,
  stepPtr: usize,
  valuesPtr: usize,
  rowCount: usize,
  columnCount: usize,
  flip: u32,
): void {
  const flips = i8x16.splat(<i8>flip);
  const groupedEnd = (columnCount & ~3) << 2;
  const rowBytes = columnCount << 2;
  for (; rowCount > 0; rowCount--) {
    let at: usize = 0;
    for (; at < groupedEnd; at += 16, codesPtr += 4) {
      const bytes = v128.xor(v128.load32_zero(codesPtr), flips);
      const codes = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(bytes));
      const starts = v128.load(startPtr + at);
      const steps = v128.load(stepPtr + at);
      const low = expanded(codes, starts, steps);
      const high = expanded(upper(codes), upper(starts), upper(steps));
      v128.store(valuesPtr + at, i64x2.shuffle(low, high, 0, 2));
    }
    for (; at < rowBytes; at += 4, codesPtr++) {
      const code = <f64>(load<u8>(codesPtr) ^ flip);
      const value = <f64>load<f32>(startPtr + at) + code * <f64>load<f32>(stepPtr + at);
      store<f32>(valuesPtr + at, <f32>value);
    }
    valuesPtr += rowBytes;
  }
}

/** Two f32 from the low lanes. */
// @ts-ignore: decorator
@inline
function expanded(codes: v128, starts: v128, steps: v128): v128 {
  const products = f64x2.mul(f64x2.convert_low_i32x4_u(codes), f64x2.promote_low_f32x4(steps));
  return f32x4.demote_f64x2_zero(f64x2.add(f64x2.promote_low_f32x4(starts), products));
}

// @ts-ignore: decorator
@inline
function upper(lanes: v128): v128 {
  return i64x2.shuffle(lanes, lanes, 1, 1);
}
