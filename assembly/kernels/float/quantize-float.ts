import {
  exponentMask,
  floatCodes16,
  magnitudeMask,
  raisedCodes4,
  zeroCode,
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
  const weights = i32x4.splat((2 << (fractionBits + 16)) | 256);
  const zero = zeroCode(smallest, fractionBits);
  const sign = i8x16.splat(<i8>signBit);
  const nan = i8x16.splat(<i8>nanCode);
  while (elementCount > 0) {
    const count = min(min(rowRest, runRest), elementCount);
    const scales = v128.load32_splat(scalePtr + (scale << 2));
    const end = codesPtr + count;
    for (const last = codesPtr + (count & ~15); codesPtr < last; codesPtr += 16) {
      const y0 = f32x4.div(v128.load(valuesPtr), scales);
      const y1 = f32x4.div(v128.load(valuesPtr, 16), scales);
      const y2 = f32x4.div(v128.load(valuesPtr, 32), scales);
      const y3 = f32x4.div(v128.load(valuesPtr, 48), scales);
      const r0 = raisedCodes4(y0, magnitude, exponents, top, bottom, gain, weights);
      const r1 = raisedCodes4(y1, magnitude, exponents, top, bottom, gain, weights);
      const r2 = raisedCodes4(y2, magnitude, exponents, top, bottom, gain, weights);
      const r3 = raisedCodes4(y3, magnitude, exponents, top, bottom, gain, weights);
      v128.store(codesPtr, floatCodes16(y0, y1, y2, y3, r0, r1, r2, r3, zero, sign, nan));
      valuesPtr += 64;
    }
    for (; codesPtr + 4 <= end; codesPtr += 4, valuesPtr += 16) {
      const y = f32x4.div(v128.load(valuesPtr), scales);
      const r = raisedCodes4(y, magnitude, exponents, top, bottom, gain, weights);
      const codes = floatCodes16(y, y, y, y, r, r, r, r, zero, sign, nan);
      v128.store32_lane(codesPtr, codes, 0);
    }
    for (; codesPtr < end; codesPtr++, valuesPtr += 4) {
      const y = f32x4.div(v128.load32_zero(valuesPtr), scales);
      const r = raisedCodes4(y, magnitude, exponents, top, bottom, gain, weights);
      const codes = floatCodes16(y, y, y, y, r, r, r, r, zero, sign, nan);
      v128.store8_lane(codesPtr, codes, 0);
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
 * @param scaleCount    any; a multiple of 16 is fast
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
  const weights = i32x4.splat((2 << (fractionBits + 16)) | 256);
  const zero = zeroCode(smallest, fractionBits);
  const sign = i8x16.splat(<i8>signBit);
  const nan = i8x16.splat(<i8>nanCode);
  while (elementCount > 0) {
    const count = min(scaleCount - scale, elementCount);
    const end = codesPtr + count;
    let sPtr = scalePtr + (scale << 2);
    for (const last = codesPtr + (count & ~15); codesPtr < last; codesPtr += 16) {
      const y0 = f32x4.div(v128.load(valuesPtr), v128.load(sPtr));
      const y1 = f32x4.div(v128.load(valuesPtr, 16), v128.load(sPtr, 16));
      const y2 = f32x4.div(v128.load(valuesPtr, 32), v128.load(sPtr, 32));
      const y3 = f32x4.div(v128.load(valuesPtr, 48), v128.load(sPtr, 48));
      const r0 = raisedCodes4(y0, magnitude, exponents, top, bottom, gain, weights);
      const r1 = raisedCodes4(y1, magnitude, exponents, top, bottom, gain, weights);
      const r2 = raisedCodes4(y2, magnitude, exponents, top, bottom, gain, weights);
      const r3 = raisedCodes4(y3, magnitude, exponents, top, bottom, gain, weights);
      v128.store(codesPtr, floatCodes16(y0, y1, y2, y3, r0, r1, r2, r3, zero, sign, nan));
      valuesPtr += 64;
      sPtr += 64;
    }
    for (; codesPtr + 4 <= end; codesPtr += 4, valuesPtr += 16, sPtr += 16) {
      const y = f32x4.div(v128.load(valuesPtr), v128.load(sPtr));
      const r = raisedCodes4(y, magnitude, exponents, top, bottom, gain, weights);
      const codes = floatCodes16(y, y, y, y, r, r, r, r, zero, sign, nan);
      v128.store32_lane(codesPtr, codes, 0);
    }
    for (; codesPtr < end; codesPtr++, valuesPtr += 4, sPtr += 4) {
      const y = f32x4.div(v128.load32_zero(valuesPtr), v128.load32_zero(sPtr));
      const r = raisedCodes4(y, magnitude, exponents, top, bottom, gain, weights);
      const codes = floatCodes16(y, y, y, y, r, r, r, r, zero, sign, nan);
      v128.store8_lane(codesPtr, codes, 0);
    }
    elementCount -= count;
    scale = 0;
  }
}
