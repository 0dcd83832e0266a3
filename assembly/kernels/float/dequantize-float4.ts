import { interleaveHigh, interleaveLow } from "../../lanes/interleave";
import { lookUp16 } from "../../lanes/lookup";

/** Offsets of the table: the upper two bytes of each level, all the third ones first. */
const THIRD_BYTES: usize = 0;
const FOURTH_BYTES: usize = 16;
const LOW_NIBBLES: usize = 32;

/**
 * values[i] = fl(level[code[i] & 15] · scale)
 *
 * Levels with at most seven fraction bits: their lower two bytes are 0.
 *
 * Rows are cut into runs, every run has a scale, and after the last scale the first follows.
 *
 * @param codesPtr      in   u8[elementCount]
 * @param scalePtr      in   f32[scaleCount]
 * @param tablePtr      in   u8[48]: upper bytes of the levels, then 0x0f in every byte
 * @param valuesPtr     out  f32[elementCount]
 * @param elementCount  any
 * @param rowRest       elements up to the end of the first element's row, at least 1
 * @param runRest       the same for its run
 * @param rowLength     any
 * @param runLength     any; a multiple of 16 is fast
 * @param scale         index of the first run's scale, below scaleCount
 * @param scaleCount    any
 * @returns the largest |scale| as bits: from 0x7f800000 on, some value may be a NaN of any bits
 */
export function dequantizeFloat4Runs(
  codesPtr: usize,
  scalePtr: usize,
  tablePtr: usize,
  valuesPtr: usize,
  elementCount: usize,
  rowRest: usize,
  runRest: usize,
  rowLength: usize,
  runLength: usize,
  scale: usize,
  scaleCount: usize,
): u32 {
  assert(rowRest > 0 && runRest > 0 && rowLength > 0 && runLength > 0 && scale < scaleCount);
  const third = v128.load(tablePtr, THIRD_BYTES);
  const fourth = v128.load(tablePtr, FOURTH_BYTES);
  const nibbles = v128.load(tablePtr, LOW_NIBBLES);
  const zero = i32x4.splat(0);
  let largest: u32 = 0;
  while (elementCount > 0) {
    const count = min(min(rowRest, runRest), elementCount);
    const scales = v128.load32_splat(scalePtr + (scale << 2));
    largest = max(largest, load<u32>(scalePtr + (scale << 2)) & 0x7fffffff);
    const end = codesPtr + count;
    for (const last = codesPtr + (count & ~15); codesPtr < last; codesPtr += 16) {
      const codes = v128.and(v128.load(codesPtr), nibbles);
      const p2 = lookUp16(third, codes);
      const p3 = lookUp16(fourth, codes);
      const low = interleaveLow(p2, p3);
      const high = interleaveHigh(p2, p3);
      const v0 = i16x8.shuffle(zero, low, 0, 8, 1, 9, 2, 10, 3, 11);
      const v1 = i16x8.shuffle(zero, low, 4, 12, 5, 13, 6, 14, 7, 15);
      const v2 = i16x8.shuffle(zero, high, 0, 8, 1, 9, 2, 10, 3, 11);
      const v3 = i16x8.shuffle(zero, high, 4, 12, 5, 13, 6, 14, 7, 15);
      v128.store(valuesPtr, f32x4.mul(v0, scales));
      v128.store(valuesPtr, f32x4.mul(v1, scales), 16);
      v128.store(valuesPtr, f32x4.mul(v2, scales), 32);
      v128.store(valuesPtr, f32x4.mul(v3, scales), 48);
      valuesPtr += 64;
    }
    for (; codesPtr < end; codesPtr++, valuesPtr += 4) {
      const entry = tablePtr + (<usize>load<u8>(codesPtr) & 15);
      const bits = (<u32>load<u8>(entry, FOURTH_BYTES) << 8) | <u32>load<u8>(entry, THIRD_BYTES);
      store<f32>(valuesPtr, reinterpret<f32>(bits << 16) * f32x4.extract_lane(scales, 0));
    }

    elementCount -= count;
    rowRest -= count;
    if (rowRest === 0) rowRest = rowLength;
    runRest = runLength;
    if (++scale === scaleCount) scale = 0;
  }
  return largest;
}
