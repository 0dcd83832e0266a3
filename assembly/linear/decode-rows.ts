import { dequantizeCode4ToF32 } from "../kernels/codebook/dequantize-code4-to-f32";
import { LEVELS_TABLE, levelsAt } from "./table";

/**
 * values[r][c] = fl(fl(level[code] − zeroPoint) · scale): some columns of some rows, expanded.
 *
 * The columns begin at a group's start and are whole groups, or they lie in one group.
 *
 * @param codesPtr      in   u8, even column in the high nibble; rows are codeStride bytes apart
 * @param scalePtr      in   f32, one a group; rows are scaleStride bytes apart
 * @param zeroPointPtr  in   i16, one a group, rows half as far apart; 0: none
 * @param valuesPtr     out  f32; rows are valueStride bytes apart
 * @param columnCount   a multiple of 32
 * @param groupLength   a multiple of 32
 */
export function decodeCode4(
  codesPtr: usize,
  codeStride: usize,
  scalePtr: usize,
  scaleStride: usize,
  zeroPointPtr: usize,
  valuesPtr: usize,
  valueStride: usize,
  rowCount: usize,
  columnCount: usize,
  groupLength: usize,
): void {
  for (; rowCount > 0; rowCount--) {
    if (zeroPointPtr === 0) {
      dequantizeCode4ToF32(codesPtr, scalePtr, LEVELS_TABLE, valuesPtr, columnCount, groupLength);
    } else {
      row4(codesPtr, scalePtr, zeroPointPtr, valuesPtr, columnCount, groupLength);
      zeroPointPtr += scaleStride >> 1;
    }
    codesPtr += codeStride;
    scalePtr += scaleStride;
    valuesPtr += valueStride;
  }
}

// @ts-ignore: decorator
@inline
function row4(
  codesPtr: usize,
  scalePtr: usize,
  zeroPointPtr: usize,
  valuesPtr: usize,
  columnCount: usize,
  groupLength: usize,
): void {
  const rowEnd = codesPtr + (columnCount >> 1);
  while (codesPtr < rowEnd) {
    const scale = v128.load32_splat(scalePtr);
    const zeroPoint = f32x4.splat(<f32>load<i16>(zeroPointPtr));
    const end = min(codesPtr + (groupLength >> 1), rowEnd);
    do {
      v128.store(valuesPtr, f32x4.mul(f32x4.sub(levelsAt(codesPtr), zeroPoint), scale));
      codesPtr += 2;
      valuesPtr += 16;
    } while (codesPtr < end);
    scalePtr += 4;
    zeroPointPtr += 2;
  }
}

/**
 * values[r][c] = fl(fl((code − zeroPoint) · scale) · factor); arguments as those of `decodeCode4`.
 *
 * @param codesPtr  in   i8; rows are codeStride bytes apart
 * @param factor    1, or what LLM.int8 multiplies by a second time
 */
export function decodeCode8(
  codesPtr: usize,
  codeStride: usize,
  scalePtr: usize,
  scaleStride: usize,
  zeroPointPtr: usize,
  valuesPtr: usize,
  valueStride: usize,
  rowCount: usize,
  columnCount: usize,
  groupLength: usize,
  factor: f32,
): void {
  const factors = f32x4.splat(factor);
  for (; rowCount > 0; rowCount--) {
    let codes = codesPtr;
    let scales = scalePtr;
    let zeroPoints = zeroPointPtr;
    let values = valuesPtr;
    const rowEnd = codes + columnCount;
    while (codes < rowEnd) {
      const scale = v128.load32_splat(scales);
      let zeroPoint = i16x8.splat(0);
      if (zeroPoints !== 0) {
        zeroPoint = v128.load16_splat(zeroPoints);
        zeroPoints += 2;
      }
      const end = min(codes + groupLength, rowEnd);
      do {
        const wide = i16x8.sub(v128.load8x8_s(codes), zeroPoint);
        const low = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(wide));
        const high = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(wide));
        v128.store(values, f32x4.mul(f32x4.mul(low, scale), factors));
        v128.store(values, f32x4.mul(f32x4.mul(high, scale), factors), 16);
        codes += 8;
        values += 32;
      } while (codes < end);
      scales += 4;
    }
    codesPtr += codeStride;
    scalePtr += scaleStride;
    if (zeroPointPtr !== 0) zeroPointPtr += scaleStride >> 1;
    valuesPtr += valueStride;
  }
}
