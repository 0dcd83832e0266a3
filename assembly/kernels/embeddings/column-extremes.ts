import { largerMagnitude, largestLane } from "../../lanes/magnitude";

/**
 * Lowers min[c] and raises max[c] to the values of column c, wherever they were.
 *
 * @param valuesPtr    in      f32[rowCount · columnCount]
 * @param minPtr       in/out  f32[columnCount]
 * @param maxPtr       in/out  f32[columnCount]
 * @param columnCount  any; a multiple of 16 is fast
 * @returns bits of the largest |x|; NaN counts as larger than infinity
 */
export function columnExtremesF32(
  valuesPtr: usize,
  minPtr: usize,
  maxPtr: usize,
  rowCount: usize,
  columnCount: usize,
): u32 {
  const rowBytes = columnCount << 2;
  const end = valuesPtr + rowCount * rowBytes;
  const groupedEnd = valuesPtr + ((columnCount & ~15) << 2);
  const rowEnd = valuesPtr + rowBytes;
  const magnitude = i32x4.splat(0x7fffffff);
  let top = i32x4.splat(0);
  // Sixteen columns, one cache line, from top to bottom: their range stays in registers.
  for (; valuesPtr < groupedEnd; valuesPtr += 64, minPtr += 64, maxPtr += 64) {
    let min0 = v128.load(minPtr);
    let min1 = v128.load(minPtr, 16);
    let min2 = v128.load(minPtr, 32);
    let min3 = v128.load(minPtr, 48);
    let max0 = v128.load(maxPtr);
    let max1 = v128.load(maxPtr, 16);
    let max2 = v128.load(maxPtr, 32);
    let max3 = v128.load(maxPtr, 48);
    for (let at = valuesPtr; at < end; at += rowBytes) {
      const x0 = v128.load(at);
      const x1 = v128.load(at, 16);
      const x2 = v128.load(at, 32);
      const x3 = v128.load(at, 48);
      top = largerMagnitude(top, x0, x1, x2, x3, magnitude);
      min0 = f32x4.pmin(min0, x0);
      min1 = f32x4.pmin(min1, x1);
      min2 = f32x4.pmin(min2, x2);
      min3 = f32x4.pmin(min3, x3);
      max0 = f32x4.pmax(max0, x0);
      max1 = f32x4.pmax(max1, x1);
      max2 = f32x4.pmax(max2, x2);
      max3 = f32x4.pmax(max3, x3);
    }
    v128.store(minPtr, min0);
    v128.store(minPtr, min1, 16);
    v128.store(minPtr, min2, 32);
    v128.store(minPtr, min3, 48);
    v128.store(maxPtr, max0);
    v128.store(maxPtr, max1, 16);
    v128.store(maxPtr, max2, 32);
    v128.store(maxPtr, max3, 48);
  }
  for (; valuesPtr < rowEnd; valuesPtr += 4, minPtr += 4, maxPtr += 4) {
    let min0 = v128.load32_zero(minPtr);
    let max0 = v128.load32_zero(maxPtr);
    for (let at = valuesPtr; at < end; at += rowBytes) {
      const x = v128.load32_zero(at);
      top = i32x4.max_s(top, v128.and(x, magnitude));
      min0 = f32x4.pmin(min0, x);
      max0 = f32x4.pmax(max0, x);
    }
    v128.store32_lane(minPtr, min0, 0);
    v128.store32_lane(maxPtr, max0, 0);
  }
  return largestLane(top);
}
