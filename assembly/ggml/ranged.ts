/** Q4_1 and Q5_1: a scale, and the smallest value. */

import { constant, HALF, LOW_BYTE, TWO_POW_23 } from "./constants";
import { inverse, loadHalf, storeHalf } from "./halves";
import { isOrdinary, largestOf32, smallestOf32 } from "./magnitudes";
import { packed, storeFives, takeFifths } from "./nibbles";
import { highNibbles, lowBytes, storeSums } from "./signed-codes";

/** The first zero of 32 values: which sign it has. */
function firstZero(ptr: usize): f32 {
  while (load<f32>(ptr) !== 0) ptr += 4;
  return load<f32>(ptr);
}

// @ts-ignore: decorator
@inline
function codeOf(x: v128, least: v128, f: v128, half: v128, highest: v128, magic: v128): v128 {
  const y = f32x4.add(f32x4.mul(f32x4.sub(x, least), f), half);
  return f32x4.add(f32x4.pmin(f32x4.floor(y), highest), magic);
}

// @ts-ignore: decorator
@inline
function codes16(ptr: usize, least: v128, f: v128, half: v128, highest: v128, magic: v128): v128 {
  return lowBytes(
    codeOf(v128.load(ptr), least, f, half, highest, magic),
    codeOf(v128.load(ptr, 16), least, f, half, highest, magic),
    codeOf(v128.load(ptr, 32), least, f, half, highest, magic),
    codeOf(v128.load(ptr, 48), least, f, half, highest, magic),
    constant(LOW_BYTE),
  );
}

// @ts-ignore: decorator
@inline
function quantize(
  valuesPtr: usize,
  blocksPtr: usize,
  blockCount: usize,
  highest: f32,
  fives: bool,
): usize {
  const most = f32x4.splat(highest);
  const half = constant(HALF);
  const magic = constant(TWO_POW_23);
  for (let i: usize = 0; i < blockCount; i++) {
    const least = smallestOf32(valuesPtr);
    const smallest = f32x4.extract_lane(least, 0);
    const largest = f32x4.extract_lane(largestOf32(valuesPtr), 0);
    const range: f32 = largest === smallest ? 0 : largest - smallest;
    if (!isOrdinary(range)) return i;
    const d = range / highest;
    const f = f32x4.splat(inverse(d));
    storeHalf(blocksPtr, d);
    storeHalf(blocksPtr + 2, smallest === 0 ? firstZero(valuesPtr) : smallest);
    const low = codes16(valuesPtr, least, f, half, most, magic);
    const high = codes16(valuesPtr + 64, least, f, half, most, magic);
    if (fives) storeFives(blocksPtr + 4, low, high);
    else v128.store(blocksPtr, packed(low, high), 4);
    valuesPtr += 128;
    blocksPtr += fives ? 24 : 20;
  }
  return blockCount;
}

export function quantizeQ4_1(valuesPtr: usize, blocksPtr: usize, blockCount: usize): usize {
  return quantize(valuesPtr, blocksPtr, blockCount, 15, false);
}

export function quantizeQ5_1(valuesPtr: usize, blocksPtr: usize, blockCount: usize): usize {
  return quantize(valuesPtr, blocksPtr, blockCount, 31, true);
}

export function dequantizeQ4_1(blocksPtr: usize, valuesPtr: usize, blockCount: usize): void {
  const low = i8x16.splat(15);
  for (const end = blocksPtr + 20 * blockCount; blocksPtr < end; blocksPtr += 20) {
    const d = f32x4.splat(loadHalf(blocksPtr));
    const least = f32x4.splat(loadHalf(blocksPtr + 2));
    const bytes = v128.load(blocksPtr, 4);
    storeSums(valuesPtr, v128.and(bytes, low), d, least);
    storeSums(valuesPtr + 64, highNibbles(bytes), d, least);
    valuesPtr += 128;
  }
}

export function dequantizeQ5_1(blocksPtr: usize, valuesPtr: usize, blockCount: usize): void {
  const low = i8x16.splat(15);
  for (const end = blocksPtr + 24 * blockCount; blocksPtr < end; blocksPtr += 24) {
    const d = f32x4.splat(loadHalf(blocksPtr));
    const least = f32x4.splat(loadHalf(blocksPtr + 2));
    const bytes = v128.load(blocksPtr, 8);
    const a = v128.or(v128.and(bytes, low), takeFifths(blocksPtr + 4));
    const b = v128.or(highNibbles(bytes), takeFifths(blocksPtr + 6));
    storeSums(valuesPtr, a, d, least);
    storeSums(valuesPtr + 64, b, d, least);
    valuesPtr += 128;
  }
}
