/**
 * values[i] = fl((code − zeroPoint) · scale)
 *
 * Rows are cut into runs, every run has a scale, and after the last scale the first follows.
 *
 * @param codesPtr      in   u8[elementCount]
 * @param scalePtr      in   f32[scaleCount]
 * @param zeroPointPtr  in   f32[scaleCount], whole numbers from −128 to 255; 0: all are 0
 * @param valuesPtr     out  f32[elementCount]
 * @param elementCount  any
 * @param rowRest       elements up to the end of the first element's row, at least 1
 * @param runRest       the same for its run
 * @param rowLength     any
 * @param runLength     any; a multiple of 16 is fast
 * @param scale         index of the first run's scale, below scaleCount
 * @param scaleCount    any
 * @param signBit       0x80 where codes are i8, else 0
 * @returns the largest |scale| as bits: from 0x7f800000 on, some value may be a NaN of any bits
 */
export function dequantizeAffineRuns(
  codesPtr: usize,
  scalePtr: usize,
  zeroPointPtr: usize,
  valuesPtr: usize,
  elementCount: usize,
  rowRest: usize,
  runRest: usize,
  rowLength: usize,
  runLength: usize,
  scale: usize,
  scaleCount: usize,
  signBit: i32,
): u32 {
  assert(rowRest > 0 && runRest > 0 && rowLength > 0 && runLength > 0 && scale < scaleCount);
  // (byte ^ 0x80) − 0x80 is a signed byte; the subtraction is one with that of the zero point.
  const flip = i16x8.splat(<i16>signBit);
  let largest: u32 = 0;
  while (elementCount > 0) {
    const count = min(min(rowRest, runRest), elementCount);
    const scales = v128.load32_splat(scalePtr + (scale << 2));
    largest = max(largest, load<u32>(scalePtr + (scale << 2)) & 0x7fffffff);
    const zeroPoint: f32 = zeroPointPtr === 0 ? 0 : load<f32>(zeroPointPtr + (scale << 2));
    const bias = i16x8.splat(<i16>(signBit + <i32>zeroPoint));

    const end = codesPtr + count;
    for (const last = codesPtr + (count & ~15); codesPtr < last; codesPtr += 16) {
      const a = i16x8.sub(v128.xor(v128.load8x8_u(codesPtr), flip), bias);
      const b = i16x8.sub(v128.xor(v128.load8x8_u(codesPtr, 8), flip), bias);
      v128.store(valuesPtr, f32x4.mul(low4(a), scales));
      v128.store(valuesPtr, f32x4.mul(high4(a), scales), 16);
      v128.store(valuesPtr, f32x4.mul(low4(b), scales), 32);
      v128.store(valuesPtr, f32x4.mul(high4(b), scales), 48);
      valuesPtr += 64;
    }
    for (; codesPtr + 4 <= end; codesPtr += 4, valuesPtr += 16) {
      const codes = i16x8.extend_low_i8x16_u(v128.load32_zero(codesPtr));
      v128.store(valuesPtr, f32x4.mul(low4(i16x8.sub(v128.xor(codes, flip), bias)), scales));
    }
    for (; codesPtr < end; codesPtr++, valuesPtr += 4) {
      const codes = v128.load8_splat(codesPtr);
      const a = i16x8.sub(v128.xor(i16x8.extend_low_i8x16_u(codes), flip), bias);
      v128.store32_lane(valuesPtr, f32x4.mul(low4(a), scales), 0);
    }

    elementCount -= count;
    rowRest -= count;
    if (rowRest === 0) rowRest = rowLength;
    runRest = runLength;
    if (++scale === scaleCount) scale = 0;
  }
  return largest;
}

/**
 * As `dequantizeAffineRuns` with runs of 1: every code has the scale that follows the last one's.
 *
 * @param codesPtr      in   u8[elementCount]
 * @param scalePtr      in   f32[scaleCount]
 * @param zeroPointPtr  in   f32[scaleCount], whole numbers from −128 to 255; 0: all are 0
 * @param valuesPtr     out  f32[elementCount]
 * @param elementCount  any
 * @param scale         index of the first code's scale, below scaleCount
 * @param scaleCount    any; a multiple of 4 is fast
 * @param signBit       0x80 where codes are i8, else 0
 * @returns the largest |scale| as bits: from 0x7f800000 on, some value may be a NaN of any bits
 */
export function dequantizeAffineColumns(
  codesPtr: usize,
  scalePtr: usize,
  zeroPointPtr: usize,
  valuesPtr: usize,
  elementCount: usize,
  scale: usize,
  scaleCount: usize,
  signBit: i32,
): u32 {
  assert(scale < scaleCount);
  const flip = i16x8.splat(<i16>signBit);
  const zero = i32x4.splat(0);
  let largest = zero;
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
      const scales = v128.load(sPtr);
      const a = v128.xor(i16x8.extend_low_i8x16_u(v128.load32_zero(codesPtr)), flip);
      const difference = f32x4.sub(low4(i16x8.sub(a, flip)), zeroPoints);
      v128.store(valuesPtr, f32x4.mul(difference, scales));
      largest = i32x4.max_u(largest, i32x4.shl(scales, 1));
    }
    for (; codesPtr < end; codesPtr++, valuesPtr += 4, sPtr += 4) {
      let zeroPoints = zero;
      if (zPtr !== 0) {
        zeroPoints = v128.load32_zero(zPtr);
        zPtr += 4;
      }
      const scales = v128.load32_zero(sPtr);
      const a = v128.xor(i16x8.extend_low_i8x16_u(v128.load8_splat(codesPtr)), flip);
      const difference = f32x4.sub(low4(i16x8.sub(a, flip)), zeroPoints);
      v128.store32_lane(valuesPtr, f32x4.mul(difference, scales), 0);
      largest = i32x4.max_u(largest, i32x4.shl(scales, 1));
    }
    elementCount -= count;
    scale = 0;
  }
  largest = i32x4.max_u(largest, i32x4.shuffle(largest, largest, 2, 3, 0, 1));
  largest = i32x4.max_u(largest, i32x4.shuffle(largest, largest, 1, 0, 3, 2));
  return <u32>i32x4.extract_lane(largest, 0) >>> 1;
}

// @ts-ignore: decorator
@inline
export function low4(integers: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(integers));
}

// @ts-ignore: decorator
@inline
export function high4(integers: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(integers));
}
