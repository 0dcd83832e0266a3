/** Q4_0, Q5_0 and Q8_0: a scale whose zero is in the middle. */

import { ALMOST_HALF, constant, LOW_BYTE, MAGIC, SIGN, SIXTEEN, TWO_POW_23 } from "./constants";
import { inverse, loadHalf, storeHalf } from "./halves";
import { absmaxOf, extremeOf32, isOrdinary } from "./magnitudes";
import { storeFives, takeFifths } from "./nibbles";
import { highNibbles, lowBytes, storeProducts } from "./signed-codes";

/** trunc(x · factor + middle), at most `highest`: not negative. */
// @ts-ignore: decorator
@inline
function codeOf(x: v128, factor: v128, middle: v128, highest: v128): v128 {
  return f32x4.pmin(f32x4.floor(f32x4.add(f32x4.mul(x, factor), middle)), highest);
}

/** A byte of two codes a lane: the second times 16, and 2^23 so that it is in the low bits. */
// @ts-ignore: decorator
@inline
function joined(low: v128, high: v128, sixteen: v128, magic: v128): v128 {
  return f32x4.add(f32x4.add(low, f32x4.mul(high, sixteen)), magic);
}

export function quantizeQ4_0(valuesPtr: usize, blocksPtr: usize, blockCount: usize): usize {
  const middle = f32x4.splat(8.5);
  const highest = f32x4.splat(15);
  const sixteen = constant(SIXTEEN);
  const magic = constant(TWO_POW_23);
  const mask = constant(LOW_BYTE);
  for (let i: usize = 0; i < blockCount; i++) {
    const most = extremeOf32(valuesPtr);
    if (!isOrdinary(abs(most))) return i;
    const d = most / -8;
    const f = f32x4.splat(inverse(d));
    storeHalf(blocksPtr, d);
    const a = joined(
      codeOf(v128.load(valuesPtr), f, middle, highest),
      codeOf(v128.load(valuesPtr, 64), f, middle, highest),
      sixteen,
      magic,
    );
    const b = joined(
      codeOf(v128.load(valuesPtr, 16), f, middle, highest),
      codeOf(v128.load(valuesPtr, 80), f, middle, highest),
      sixteen,
      magic,
    );
    const c = joined(
      codeOf(v128.load(valuesPtr, 32), f, middle, highest),
      codeOf(v128.load(valuesPtr, 96), f, middle, highest),
      sixteen,
      magic,
    );
    const e = joined(
      codeOf(v128.load(valuesPtr, 48), f, middle, highest),
      codeOf(v128.load(valuesPtr, 112), f, middle, highest),
      sixteen,
      magic,
    );
    v128.store(blocksPtr, lowBytes(a, b, c, e, mask), 2);
    valuesPtr += 128;
    blocksPtr += 18;
  }
  return blockCount;
}

export function dequantizeQ4_0(blocksPtr: usize, valuesPtr: usize, blockCount: usize): void {
  const low = i8x16.splat(15);
  const middle = i8x16.splat(8);
  for (const end = blocksPtr + 18 * blockCount; blocksPtr < end; blocksPtr += 18) {
    const d = f32x4.splat(loadHalf(blocksPtr));
    const bytes = v128.load(blocksPtr, 2);
    storeProducts(valuesPtr, i8x16.sub(v128.and(bytes, low), middle), d);
    storeProducts(valuesPtr + 64, i8x16.sub(highNibbles(bytes), middle), d);
    valuesPtr += 128;
  }
}

/** Sixteen codes as bytes. */
// @ts-ignore: decorator
@inline
function codes16(ptr: usize, f: v128, middle: v128, highest: v128, magic: v128, mask: v128): v128 {
  return lowBytes(
    f32x4.add(codeOf(v128.load(ptr), f, middle, highest), magic),
    f32x4.add(codeOf(v128.load(ptr, 16), f, middle, highest), magic),
    f32x4.add(codeOf(v128.load(ptr, 32), f, middle, highest), magic),
    f32x4.add(codeOf(v128.load(ptr, 48), f, middle, highest), magic),
    mask,
  );
}

export function quantizeQ5_0(valuesPtr: usize, blocksPtr: usize, blockCount: usize): usize {
  const middle = f32x4.splat(16.5);
  const highest = f32x4.splat(31);
  const magic = constant(TWO_POW_23);
  const mask = constant(LOW_BYTE);
  for (let i: usize = 0; i < blockCount; i++) {
    const most = extremeOf32(valuesPtr);
    if (!isOrdinary(abs(most))) return i;
    const d = most / -16;
    const f = f32x4.splat(inverse(d));
    storeHalf(blocksPtr, d);
    const low = codes16(valuesPtr, f, middle, highest, magic, mask);
    const high = codes16(valuesPtr + 64, f, middle, highest, magic, mask);
    storeFives(blocksPtr + 2, low, high);
    valuesPtr += 128;
    blocksPtr += 22;
  }
  return blockCount;
}

export function dequantizeQ5_0(blocksPtr: usize, valuesPtr: usize, blockCount: usize): void {
  const low = i8x16.splat(15);
  const middle = i8x16.splat(16);
  for (const end = blocksPtr + 22 * blockCount; blocksPtr < end; blocksPtr += 22) {
    const d = f32x4.splat(loadHalf(blocksPtr));
    const bytes = v128.load(blocksPtr, 6);
    const a = v128.or(v128.and(bytes, low), takeFifths(blocksPtr + 2));
    const b = v128.or(highNibbles(bytes), takeFifths(blocksPtr + 4));
    storeProducts(valuesPtr, i8x16.sub(a, middle), d);
    storeProducts(valuesPtr + 64, i8x16.sub(b, middle), d);
    valuesPtr += 128;
  }
}

/** Whole numbers, ties away from zero, in the low bytes: the float below 0.5 keeps it exact. */
// @ts-ignore: decorator
@inline
function rounded(x: v128, factor: v128, sign: v128, almostHalf: v128, magic: v128): v128 {
  const y = f32x4.mul(x, factor);
  const half = v128.or(v128.and(y, sign), almostHalf);
  return f32x4.add(f32x4.trunc(f32x4.add(y, half)), magic);
}

export function quantizeQ8_0(valuesPtr: usize, blocksPtr: usize, blockCount: usize): usize {
  const sign = constant(SIGN);
  const half = constant(ALMOST_HALF);
  const magic = constant(MAGIC);
  const mask = constant(LOW_BYTE);
  for (let i: usize = 0; i < blockCount; i++) {
    const amax = absmaxOf(valuesPtr, 128);
    if (!isOrdinary(amax)) return i;
    const d = amax / 127;
    const f = f32x4.splat(inverse(d));
    storeHalf(blocksPtr, d);
    blocksPtr += 2;
    for (const end = blocksPtr + 32; blocksPtr < end; blocksPtr += 16) {
      const codes = lowBytes(
        rounded(v128.load(valuesPtr), f, sign, half, magic),
        rounded(v128.load(valuesPtr, 16), f, sign, half, magic),
        rounded(v128.load(valuesPtr, 32), f, sign, half, magic),
        rounded(v128.load(valuesPtr, 48), f, sign, half, magic),
        mask,
      );
      v128.store(blocksPtr, codes);
      valuesPtr += 64;
    }
  }
  return blockCount;
}

export function dequantizeQ8_0(blocksPtr: usize, valuesPtr: usize, blockCount: usize): void {
  for (const end = blocksPtr + 34 * blockCount; blocksPtr < end; blocksPtr += 34) {
    const d = f32x4.splat(loadHalf(blocksPtr));
    storeProducts(valuesPtr, v128.load(blocksPtr, 2), d);
    storeProducts(valuesPtr + 64, v128.load(blocksPtr, 18), d);
    valuesPtr += 128;
  }
}
