/**
 * dots[r] = Σ weight[c] · code[c], f32, each product and each sum rounded.
 *
 * Column c of the first whole groups of 16 goes to sum c mod 16, the others to one more; the sums
 * are added in halves, then (0 + 1) + (2 + 3), then the last one.
 *
 * @param weightsPtr   in   f32[columnCount]
 * @param codesPtr     in   u8[rowCount · columnCount]; each XOR `flip` is an i8
 * @param dotsPtr      out  f32[rowCount]
 * @param columnCount  any
 * @param flip         0x80 for unsigned codes, which are read less 128, or 0
 */
export function dotF32Code8(
  weightsPtr: usize,
  codesPtr: usize,
  dotsPtr: usize,
  rowCount: usize,
  columnCount: usize,
  flip: u32,
): void {
  const flips = i8x16.splat(<i8>flip);
  const groupedCount = columnCount & ~15;
  for (; rowCount > 0; rowCount--, dotsPtr += 4) {
    let sum0 = f32x4.splat(0);
    let sum1 = f32x4.splat(0);
    let sum2 = f32x4.splat(0);
    let sum3 = f32x4.splat(0);
    let column: usize = 0;
    for (; column < groupedCount; column += 16) {
      const codes = v128.xor(v128.load(codesPtr + column), flips);
      const low = i16x8.extend_low_i8x16_s(codes);
      const high = i16x8.extend_high_i8x16_s(codes);
      const weights = weightsPtr + (column << 2);
      const c0 = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low));
      const c1 = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low));
      const c2 = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high));
      const c3 = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high));
      sum0 = f32x4.add(sum0, f32x4.mul(v128.load(weights), c0));
      sum1 = f32x4.add(sum1, f32x4.mul(v128.load(weights, 16), c1));
      sum2 = f32x4.add(sum2, f32x4.mul(v128.load(weights, 32), c2));
      sum3 = f32x4.add(sum3, f32x4.mul(v128.load(weights, 48), c3));
    }
    let rest: f32 = 0;
    for (; column < columnCount; column++) {
      const code = <f32>(<i8>(load<u8>(codesPtr + column) ^ flip));
      rest += load<f32>(weightsPtr + (column << 2)) * code;
    }
    const sums = f32x4.add(f32x4.add(sum0, sum1), f32x4.add(sum2, sum3));
    const first = f32x4.extract_lane(sums, 0) + f32x4.extract_lane(sums, 1);
    const second = f32x4.extract_lane(sums, 2) + f32x4.extract_lane(sums, 3);
    store<f32>(dotsPtr, first + second + rest);
    codesPtr += columnCount;
  }
}
