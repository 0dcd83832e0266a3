import { affineCodes4, biasOf, bytes16, bytes4, lowBytes, rounders } from "../../lanes/affine";

/**
 * codes[i] = clamp(round-half-even(fl(x / scale)) + zeroPoint, lowest, highest); NaN is 0.
 *
 * Rows are cut into runs, every run has a scale, and after the last scale the first follows.
 *
 * @param valuesPtr     in   f32[elementCount]
 * @param scalePtr      in   f32[scaleCount]
 * @param zeroPointPtr  in   f32[scaleCount], whole numbers from lowest to highest; 0: all are 0
 * @param codesPtr      out  i8 or u8[elementCount]
 * @param elementCount  any
 * @param rowRest       elements up to the end of the first element's row, at least 1
 * @param runRest       the same for its run
 * @param rowLength     any
 * @param runLength     any; a multiple of 16 is fast
 * @param scale         index of the first run's scale, below scaleCount
 * @param scaleCount    any
 * @param lowest        −128 or above
 * @param highest       255 or below
 */
export function quantizeAffineRuns(
  valuesPtr: usize,
  scalePtr: usize,
  zeroPointPtr: usize,
  codesPtr: usize,
  elementCount: usize,
  rowRest: usize,
  runRest: usize,
  rowLength: usize,
  runLength: usize,
  scale: usize,
  scaleCount: usize,
  lowest: f32,
  highest: f32,
): void {
  assert(rowRest > 0 && runRest > 0 && rowLength > 0 && runLength > 0 && scale < scaleCount);
  const rounder = rounders();
  const low8 = lowBytes();
  while (elementCount > 0) {
    const count = min(min(rowRest, runRest), elementCount);
    const scales = v128.load32_splat(scalePtr + (scale << 2));
    const zeroPoint: f32 = zeroPointPtr === 0 ? 0 : load<f32>(zeroPointPtr + (scale << 2));
    const low = f32x4.splat(lowest - zeroPoint);
    const high = f32x4.splat(highest - zeroPoint);
    const bias = biasOf(zeroPoint);

    const end = codesPtr + count;
    for (const last = codesPtr + (count & ~15); codesPtr < last; codesPtr += 16) {
      const q0 = affineCodes4(v128.load(valuesPtr), scales, low, high, rounder, bias);
      const q1 = affineCodes4(v128.load(valuesPtr, 16), scales, low, high, rounder, bias);
      const q2 = affineCodes4(v128.load(valuesPtr, 32), scales, low, high, rounder, bias);
      const q3 = affineCodes4(v128.load(valuesPtr, 48), scales, low, high, rounder, bias);
      v128.store(codesPtr, bytes16(q0, q1, q2, q3, low8));
      valuesPtr += 64;
    }
    for (; codesPtr + 4 <= end; codesPtr += 4, valuesPtr += 16) {
      const q = affineCodes4(v128.load(valuesPtr), scales, low, high, rounder, bias);
      v128.store32_lane(codesPtr, bytes4(q, low8), 0);
    }
    for (; codesPtr < end; codesPtr++, valuesPtr += 4) {
      const q = affineCodes4(v128.load32_zero(valuesPtr), scales, low, high, rounder, bias);
      store<u8>(codesPtr, i32x4.extract_lane(q, 0));
    }

    elementCount -= count;
    rowRest -= count;
    if (rowRest === 0) rowRest = rowLength;
    runRest = runLength;
    if (++scale === scaleCount) scale = 0;
  }
}

/**
 * As `quantizeAffineRuns` with runs of 1: every value has the scale that follows the last one's.
 *
 * @param valuesPtr     in   f32[elementCount]
 * @param scalePtr      in   f32[scaleCount]
 * @param zeroPointPtr  in   f32[scaleCount], whole numbers from lowest to highest; 0: all are 0
 * @param codesPtr      out  i8 or u8[elementCount]
 * @param elementCount  any
 * @param scale         index of the first value's scale, below scaleCount
 * @param scaleCount    any; a multiple of 4 is fast
 * @param lowest        −128 or above
 * @param highest       255 or below
 */
export function quantizeAffineColumns(
  valuesPtr: usize,
  scalePtr: usize,
  zeroPointPtr: usize,
  codesPtr: usize,
  elementCount: usize,
  scale: usize,
  scaleCount: usize,
  lowest: f32,
  highest: f32,
): void {
  assert(scale < scaleCount);
  const rounder = rounders();
  const low8 = lowBytes();
  const lows = f32x4.splat(lowest);
  const highs = f32x4.splat(highest);
  const zero = i32x4.splat(0);
  while (elementCount > 0) {
    const count = min(scaleCount - scale, elementCount);
    const end = codesPtr + count;
    let sPtr = scalePtr + (scale << 2);
    let zPtr: usize = zeroPointPtr === 0 ? 0 : zeroPointPtr + (scale << 2);
    for (; codesPtr + 4 <= end; codesPtr += 4, valuesPtr += 16, sPtr += 16) {
      let zeroPoints = zero;
      if (zPtr !== 0) {
        zeroPoints = v128.load(zPtr);
        zPtr += 16;
      }
      const q = affineCodes4(
        v128.load(valuesPtr),
        v128.load(sPtr),
        f32x4.sub(lows, zeroPoints),
        f32x4.sub(highs, zeroPoints),
        rounder,
        f32x4.sub(rounder, zeroPoints),
      );
      v128.store32_lane(codesPtr, bytes4(q, low8), 0);
    }
    for (; codesPtr < end; codesPtr++, valuesPtr += 4, sPtr += 4) {
      let zeroPoints = zero;
      if (zPtr !== 0) {
        zeroPoints = v128.load32_zero(zPtr);
        zPtr += 4;
      }
      const q = affineCodes4(
        v128.load32_zero(valuesPtr),
        v128.load32_zero(sPtr),
        f32x4.sub(lows, zeroPoints),
        f32x4.sub(highs, zeroPoints),
        rounder,
        f32x4.sub(rounder, zeroPoints),
      );
      store<u8>(codesPtr, i32x4.extract_lane(q, 0));
    }
    elementCount -= count;
    scale = 0;
  }
}
