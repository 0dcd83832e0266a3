import { largerMagnitude, largestLane } from "../../lanes/magnitude";

/**
 * One bit a value, x > 0, the first in the highest bit of a byte; bytes XOR `flip`. A row takes
 * ceil(columnCount / 8) bytes, and the bits that it lacks count as 0.
 *
 * @param valuesPtr    in   f32[rowCount · columnCount]
 * @param codesPtr     out  u8[rowCount · ceil(columnCount / 8)]
 * @param columnCount  any
 * @param flip         0x80 for bytes less 128, or 0
 * @returns bits of the largest |x|; NaN counts as larger than infinity
 */
export function packSignsF32(
  valuesPtr: usize,
  codesPtr: usize,
  rowCount: usize,
  columnCount: usize,
  flip: u32,
): u32 {
  const zero = f32x4.splat(0);
  const magnitude = i32x4.splat(0x7fffffff);
  const flips = flip | (flip << 8);
  const groupedBytes = (columnCount & ~15) << 2;
  const restBytes = (columnCount & 15) << 2;
  let top = i32x4.splat(0);

  for (; rowCount > 0; rowCount--) {
    for (const last = valuesPtr + groupedBytes; valuesPtr < last; valuesPtr += 64) {
      const x0 = v128.load(valuesPtr);
      const x1 = v128.load(valuesPtr, 16);
      const x2 = v128.load(valuesPtr, 32);
      const x3 = v128.load(valuesPtr, 48);
      top = largerMagnitude(top, x0, x1, x2, x3, magnitude);
      const positive = i8x16.narrow_i16x8_s(
        i16x8.narrow_i32x4_s(f32x4.gt(x0, zero), f32x4.gt(x1, zero)),
        i16x8.narrow_i32x4_s(f32x4.gt(x2, zero), f32x4.gt(x3, zero)),
      );
      // bitmask puts the first lane in the lowest bit.
      const turned = i8x16.shuffle(
        positive,
        positive,
        7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8,
      );
      store<u16>(codesPtr, <u32>i8x16.bitmask(turned) ^ flips);
      codesPtr += 2;
    }
    let bit: u32 = 0x80;
    let byte = flip;
    for (const last = valuesPtr + restBytes; valuesPtr < last; valuesPtr += 4) {
      const x = v128.load32_zero(valuesPtr);
      top = i32x4.max_s(top, v128.and(x, magnitude));
      if (load<f32>(valuesPtr) > 0) byte ^= bit;
      bit >>= 1;
      if (bit === 0) {
        store<u8>(codesPtr++, byte);
        bit = 0x80;
        byte = flip;
      }
    }
    if (bit !== 0x80) store<u8>(codesPtr++, byte);
  }
  return largestLane(top);
}
