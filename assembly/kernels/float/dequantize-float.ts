import { canonicalNans } from "../../lanes/float-cast";
import { levels4, levelOf } from "../codebook/dequantize-code8-to-f32";

/**
 * values[i] = fl(level[code[i]] · scale); every NaN is 0x7fc00000.
 *
 * Rows are cut into runs, every run has a scale, and after the last scale the first follows.
 *
 * @param codesPtr      in   u8[elementCount]
 * @param scalePtr      in   f32[scaleCount]
 * @param levelsPtr     in   f32[256]
 * @param valuesPtr     out  f32[elementCount]
 * @param elementCount  any
 * @param rowRest       elements up to the end of the first element's row, at least 1
 * @param runRest       the same for its run
 * @param rowLength     any
 * @param runLength     any; a multiple of 8 is fast
 * @param scale         index of the first run's scale, below scaleCount
 * @param scaleCount    any
 */
export function dequantizeFloatRuns(
  codesPtr: usize,
  scalePtr: usize,
  levelsPtr: usize,
  valuesPtr: usize,
  elementCount: usize,
  rowRest: usize,
  runRest: usize,
  rowLength: usize,
  runLength: usize,
  scale: usize,
  scaleCount: usize,
): void {
  assert(rowRest > 0 && runRest > 0 && rowLength > 0 && runLength > 0 && scale < scaleCount);
  const nan = canonicalNans();
  while (elementCount > 0) {
    const count = min(min(rowRest, runRest), elementCount);
    const scales = v128.load32_splat(scalePtr + (scale << 2));
    const end = codesPtr + count;
    for (const last = codesPtr + (count & ~7); codesPtr < last; codesPtr += 8) {
      v128.store(valuesPtr, product(levels4(levelsPtr, codesPtr, 0), scales, nan));
      v128.store(valuesPtr, product(levels4(levelsPtr, codesPtr, 4), scales, nan), 16);
      valuesPtr += 32;
    }
    for (; codesPtr < end; codesPtr++, valuesPtr += 4) {
      const level = v128.load32_zero(levelOf(levelsPtr, codesPtr));
      v128.store32_lane(valuesPtr, product(level, scales, nan), 0);
    }

    elementCount -= count;
    rowRest -= count;
    if (rowRest === 0) rowRest = rowLength;
    runRest = runLength;
    if (++scale === scaleCount) scale = 0;
  }
}

/**
 * As `dequantizeFloatRuns` with runs of 1: every code has the scale that follows the last one's.
 *
 * @param codesPtr      in   u8[elementCount]
 * @param scalePtr      in   f32[scaleCount]
 * @param levelsPtr     in   f32[256]
 * @param valuesPtr     out  f32[elementCount]
 * @param elementCount  any
 * @param scale         index of the first code's scale, below scaleCount
 * @param scaleCount    any; a multiple of 4 is fast
 */
export function dequantizeFloatColumns(
  codesPtr: usize,
  scalePtr: usize,
  levelsPtr: usize,
  valuesPtr: usize,
  elementCount: usize,
  scale: usize,
  scaleCount: usize,
): void {
  assert(scale < scaleCount);
  const nan = canonicalNans();
  while (elementCount > 0) {
    const count = min(scaleCount - scale, elementCount);
    const end = codesPtr + count;
    let sPtr = scalePtr + (scale << 2);
    for (; codesPtr + 4 <= end; codesPtr += 4, valuesPtr += 16, sPtr += 16) {
      v128.store(valuesPtr, product(levels4(levelsPtr, codesPtr, 0), v128.load(sPtr), nan));
    }
    for (; codesPtr < end; codesPtr++, valuesPtr += 4, sPtr += 4) {
      const level = v128.load32_zero(levelOf(levelsPtr, codesPtr));
      v128.store32_lane(valuesPtr, product(level, v128.load32_zero(sPtr), nan), 0);
    }
    elementCount -= count;
    scale = 0;
  }
}

// @ts-ignore: decorator
@inline
export function product(levels: v128, scale: v128, nan: v128): v128 {
  const y = f32x4.mul(levels, scale);
  return v128.bitselect(y, nan, f32x4.eq(y, y));
}
