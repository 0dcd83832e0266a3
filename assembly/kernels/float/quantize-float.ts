import {
  exponentMask,
  floatCodes4,
  magnitudeMask,
  unsignedBytes16,
  unsignedBytes4,
} from "../../lanes/float-cast";

/**
 * codes[i] = the code nearest to fl(x / scale), ties to even, saturating, with the quotient's sign.
 *
 * Rows are cut into runs, every run has a scale, and after the last scale the first follows.
 *
 * @param valuesPtr     in   f32[elementCount]
 * @param scalePtr      in   f32[scaleCount]
 * @param codesPtr      out  u8[elementCount]
 * @param elementCount  any
 * @param rowRest       elements up to the end of the first element's row, at least 1
 * @param runRest       the same for its run
 * @param rowLength     any
 * @param runLength     any; a multiple of 16 is fast
 * @param scale         index of the first run's scale, below scaleCount
 * @param scaleCount    any
 * @param largest       the format's largest finite magnitude
 * @param smallest      its smallest normal magnitude
 * @param fractionBits  any
 * @param signBit       0x80, or 8 for 4-bit codes
 * @param nanCode       code of NaN
 */
export function quantizeFloatRuns(
  valuesPtr: usize,
  scalePtr: usize,
  codesPtr: usize,
  elementCount: usize,
  rowRest: usize,
  runRest: usize,
  rowLength: usize,
  runLength: usize,
  scale: usize,
  scaleCount: usize,
  largest: f32,
  smallest: f32,
  fractionBits: i32,
  signBit: i32,
  nanCode: i32,
): void {
  assert(rowRest > 0 && runRest > 0 && rowLength > 0 && runLength > 0 && scale < scaleCount);
  const magnitude = magnitudeMask();
  const exponents = exponentMask();
  const top = f32x4.splat(largest);
  const bottom = f32x4.splat(smallest);
  const gain = i32x4.splat((23 - fractionBits) << 23);
  const binade = i32x4.splat(1 << fractionBits);
  const sign = i32x4.splat(signBit);
  const nan = i32x4.splat(nanCode);
  while (elementCount > 0) {
    const count = min(min(rowRest, runRest), elementCount);
    const scales = v128.load32_splat(scalePtr + (scale << 2));
    const end = codesPtr + count;
    for (const last = codesPtr + (count & ~15); codesPtr < last; codesPtr += 16) {
      const q0 = floatCodes4(
        v128.load(valuesPtr),
        scales,
        magnitude,
        exponents,
        top,
        bottom,
        gain,
        binade,
        sign,
        nan,
      );
      const q1 = floatCodes4(
        v128.load(valuesPtr, 16),
        scales,
        magnitude,
        exponents,
        top,
        bottom,
        gain,
        binade,
        sign,
        nan,
      );
      const q2 = floatCodes4(
        v128.load(valuesPtr, 32),
        scales,
        magnitude,
        exponents,
        top,
        bottom,
        gain,
        binade,
        sign,
        nan,
      );
      const q3 = floatCodes4(
        v128.load(valuesPtr, 48),
        scales,
        magnitude,
        exponents,
        top,
        bottom,
        gain,
        binade,
        sign,
        nan,
      );
      v128.store(codesPtr, unsignedBytes16(q0, q1, q2, q3));
      valuesPtr += 64;
    }
    for (; codesPtr + 4 <= end; codesPtr += 4, valuesPtr += 16) {
      const q = floatCodes4(
        v128.load(valuesPtr),
        scales,
        magnitude,
        exponents,
        top,
        bottom,
        gain,
        binade,
        sign,
        nan,
      );
      v128.store32_lane(codesPtr, unsignedBytes4(q), 0);
    }
    for (; codesPtr < end; codesPtr++, valuesPtr += 4) {
      const q = floatCodes4(
        v128.load32_zero(valuesPtr),
        scales,
        magnitude,
        exponents,
        top,
        bottom,
        gain,
        binade,
        sign,
        nan,
      );
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
 * As `quantizeFloatRuns` with runs of 1: every value has the scale that follows the last one's.
 *
 * @param valuesPtr     in   f32[elementCount]
 * @param scalePtr      in   f32[scaleCount]
 * @param codesPtr      out  u8[elementCount]
 * @param elementCount  any
 * @param scale         index of the first value's scale, below scaleCount
 * @param scaleCount    any; a multiple of 4 is fast
 * @param largest       the format's largest finite magnitude
 * @param smallest      its smallest normal magnitude
 * @param fractionBits  any
 * @param signBit       0x80, or 8 for 4-bit codes
 * @param nanCode       code of NaN
 */
export function quantizeFloatColumns(
  valuesPtr: usize,
  scalePtr: usize,
  codesPtr: usize,
  elementCount: usize,
  scale: usize,
  scaleCount: usize,
  largest: f32,
  smallest: f32,
  fractionBits: i32,
  signBit: i32,
  nanCode: i32,
): void {
  assert(scale < scaleCount);
  const magnitude = magnitudeMask();
  const exponents = exponentMask();
  const top = f32x4.splat(largest);
  const bottom = f32x4.splat(smallest);
  const gain = i32x4.splat((23 - fractionBits) << 23);
  const binade = i32x4.splat(1 << fractionBits);
  const sign = i32x4.splat(signBit);
  const nan = i32x4.splat(nanCode);
  while (elementCount > 0) {
    const count = min(scaleCount - scale, elementCount);
    const end = codesPtr + count;
    let sPtr = scalePtr + (scale << 2);
    for (; codesPtr + 4 <= end; codesPtr += 4, valuesPtr += 16, sPtr += 16) {
      const q = floatCodes4(
        v128.load(valuesPtr),
        v128.load(sPtr),
        magnitude,
        exponents,
        top,
        bottom,
        gain,
        binade,
        sign,
        nan,
      );
      v128.store32_lane(codesPtr, unsignedBytes4(q), 0);
    }
    for (; codesPtr < end; codesPtr++, valuesPtr += 4, sPtr += 4) {
      const q = floatCodes4(
        v128.load32_zero(valuesPtr),
        v128.load32_zero(sPtr),
        magnitude,
        exponents,
        top,
        bottom,
        gain,
        binade,
        sign,
        nan,
      );
      store<u8>(codesPtr, i32x4.extract_lane(q, 0));
    }
    elementCount -= count;
    scale = 0;
  }
}
