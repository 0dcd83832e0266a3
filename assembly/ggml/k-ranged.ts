/** Q2_K, Q4_K and Q5_K, writing. */

import { constant, LOW_BYTE, MAGIC_FRACTION, MAGIC_MIDDLE } from "./constants";
import { largestOf, loadHalf, nearestInt, storeHalf } from "./halves";
import { packed } from "./nibbles";
import { CODES, INVERSES, MINS, SCALES, STARTS, W, X } from "./places";
import { searchMagnitudes, searchSquares } from "./search-min";
import { lowBytes } from "./signed-codes";
import { nearestWithin, transpose } from "./transposed";

/** Bytes to CODES from sub-block `j`: of the scale that is stored, or, if that is 0, those searched. */
function recode(
  valuesPtr: usize,
  j: usize,
  count: usize,
  scale: f32,
  min: f32,
  highest: i32,
): void {
  const isZero = scale === 0;
  const addend = f32x4.splat(isZero ? -load<f32>(STARTS + (j << 2)) : min);
  const divisor = f32x4.splat(scale);
  const factor = f32x4.splat(load<f32>(INVERSES + (j << 2)));
  const lowest = i32x4.splat(0);
  const top = i32x4.splat(highest);
  const fraction = constant(MAGIC_FRACTION);
  const middle = constant(MAGIC_MIDDLE);
  const mask = constant(LOW_BYTE);
  for (let at: usize = 0; at < count; at += 16) {
    const ptr = valuesPtr + (at << 2);
    let a = f32x4.add(v128.load(ptr), addend);
    let b = f32x4.add(v128.load(ptr, 16), addend);
    let c = f32x4.add(v128.load(ptr, 32), addend);
    let d = f32x4.add(v128.load(ptr, 48), addend);
    if (isZero) {
      a = f32x4.mul(a, factor);
      b = f32x4.mul(b, factor);
      c = f32x4.mul(c, factor);
      d = f32x4.mul(d, factor);
    } else {
      a = f32x4.div(a, divisor);
      b = f32x4.div(b, divisor);
      c = f32x4.div(c, divisor);
      d = f32x4.div(d, divisor);
    }
    const codes = lowBytes(
      nearestWithin(a, lowest, top, fraction, middle),
      nearestWithin(b, lowest, top, fraction, middle),
      nearestWithin(c, lowest, top, fraction, middle),
      nearestWithin(d, lowest, top, fraction, middle),
      mask,
    );
    v128.store(CODES + j * count + at, codes);
  }
}

/** W = √(Σ x² / 32) + |x|, lane by lane. */
function weigh(): void {
  let sum = f32x4.splat(0);
  for (let at: usize = 0; at < 512; at += 16) {
    const x = v128.load(X + at);
    sum = f32x4.add(sum, f32x4.mul(x, x));
  }
  const root = f32x4.sqrt(f32x4.div(sum, f32x4.splat(32)));
  for (let at: usize = 0; at < 512; at += 16) {
    v128.store(W + at, f32x4.add(root, f32x4.abs(v128.load(X + at))));
  }
}

/** A 6-bit scale: what does not fit a byte wraps first. */
// @ts-ignore: decorator
@inline
function six(factor: f32, scale: f32): u32 {
  return min(63, <u32>(nearestInt(factor * scale) & 255));
}

/** @returns blocks written; fewer than asked where the reference must go on */
// @ts-ignore: decorator
@inline
function quantize45(
  valuesPtr: usize,
  blocksPtr: usize,
  blockCount: usize,
  highest: i32,
  first: f32,
  steps: i32,
): usize {
  for (let i: usize = 0; i < blockCount; i++) {
    for (let j: usize = 0; j < 8; j += 4) {
      const ptr = valuesPtr + (j << 7);
      transpose(ptr, ptr + 128, ptr + 256, ptr + 384, X, 32);
      weigh();
      if (!searchSquares(j, 32, <f32>highest, first, steps)) return i;
    }
    const maxScale = largestOf(SCALES, 8);
    const maxMin = largestOf(MINS, 8);
    const scaleFactor: f32 = maxScale > 0 ? <f32>63 / maxScale : 0;
    const minFactor: f32 = maxMin > 0 ? <f32>63 / maxMin : 0;
    storeHalf(blocksPtr, maxScale / 63);
    storeHalf(blocksPtr + 2, maxMin / 63);
    const d = loadHalf(blocksPtr);
    const dmin = loadHalf(blocksPtr + 2);
    for (let j: usize = 0; j < 4; j++) {
      const at = j << 2;
      const low = six(scaleFactor, load<f32>(SCALES + at));
      const high = six(scaleFactor, load<f32>(SCALES + at, 16));
      const lowMin = six(minFactor, load<f32>(MINS + at));
      const highMin = six(minFactor, load<f32>(MINS + at, 16));
      store<u8>(blocksPtr + j, low | ((high >> 4) << 6), 4);
      store<u8>(blocksPtr + j, lowMin | ((highMin >> 4) << 6), 8);
      store<u8>(blocksPtr + j, (high & 15) | ((highMin & 15) << 4), 12);
      recode(valuesPtr + (j << 7), j, 32, d * <f32>low, dmin * <f32>lowMin, highest);
      const later = valuesPtr + ((j + 4) << 7);
      recode(later, j + 4, 32, d * <f32>high, dmin * <f32>highMin, highest);
    }
    blocksPtr += 16;
    if (highest === 31) {
      storeFifths(blocksPtr);
      storeFifths(blocksPtr + 16, 16);
      blocksPtr += 32;
    }
    const mask = i8x16.splat(15);
    for (let at: usize = CODES; at < CODES + 256; at += 64) {
      const a = v128.and(v128.load(at), mask);
      const b = v128.and(v128.load(at, 16), mask);
      v128.store(blocksPtr, packed(a, v128.and(v128.load(at, 32), mask)));
      v128.store(blocksPtr, packed(b, v128.and(v128.load(at, 48), mask)), 16);
      blocksPtr += 32;
    }
    valuesPtr += 1024;
  }
  return blockCount;
}

/** Sixteen bytes, bit j that of the codes of sub-block j. */
// @ts-ignore: decorator
@inline
function storeFifths(ptr: usize, offset: usize = 0): void {
  const one = i8x16.splat(1);
  let bytes = i32x4.splat(0);
  for (let j = 7; j >= 0; j--) {
    const codes = v128.load(CODES + (<usize>j << 5) + offset);
    bytes = v128.or(i8x16.add(bytes, bytes), v128.and(i16x8.shr_u(codes, 4), one));
  }
  v128.store(ptr, bytes);
}

export function quantizeQ4_K(valuesPtr: usize, blocksPtr: usize, blockCount: usize): usize {
  return quantize45(valuesPtr, blocksPtr, blockCount, 15, -1, 20);
}

export function quantizeQ5_K(valuesPtr: usize, blocksPtr: usize, blockCount: usize): usize {
  return quantize45(valuesPtr, blocksPtr, blockCount, 31, -0.5, 15);
}

export function quantizeQ2_K(valuesPtr: usize, blocksPtr: usize, blockCount: usize): usize {
  for (let i: usize = 0; i < blockCount; i++) {
    for (let j: usize = 0; j < 16; j += 4) {
      const ptr = valuesPtr + (j << 6);
      transpose(ptr, ptr + 64, ptr + 128, ptr + 192, X, 16);
      for (let at: usize = 0; at < 256; at += 16) {
        v128.store(W + at, f32x4.abs(v128.load(X + at)));
      }
      if (!searchMagnitudes(j, 16, 3, -0.5, 15)) return i;
    }
    const maxScale = largestOf(SCALES, 16);
    const maxMin = largestOf(MINS, 16);
    const scaleFactor: f32 = maxScale > 0 ? <f32>15 / maxScale : 0;
    const minFactor: f32 = maxMin > 0 ? <f32>15 / maxMin : 0;
    storeHalf(blocksPtr + 80, maxScale / 15);
    storeHalf(blocksPtr + 82, maxMin / 15);
    const d = loadHalf(blocksPtr + 80);
    const dmin = loadHalf(blocksPtr + 82);
    for (let j: usize = 0; j < 16; j++) {
      const scale = maxScale > 0 ? nearestInt(scaleFactor * load<f32>(SCALES + (j << 2))) : 0;
      const min = maxMin > 0 ? nearestInt(minFactor * load<f32>(MINS + (j << 2))) : 0;
      const byte = (scale | (min << 4)) & 255;
      store<u8>(blocksPtr + j, byte);
      recode(valuesPtr + (j << 6), j, 16, d * <f32>(byte & 15), dmin * <f32>(byte >> 4), 3);
    }
    storePlanes(CODES, blocksPtr + 16);
    storePlanes(CODES + 16, blocksPtr + 32);
    storePlanes(CODES + 128, blocksPtr + 48);
    storePlanes(CODES + 144, blocksPtr + 64);
    valuesPtr += 1024;
    blocksPtr += 84;
  }
  return blockCount;
}

/** Sixteen bytes of four codes each, which lie 32 apart; all but their low two bits are dropped. */
// @ts-ignore: decorator
@inline
export function storePlanes(codes: usize, target: usize): void {
  const mask = i8x16.splat(3);
  const a = v128.and(v128.load(codes), mask);
  const b = v128.and(v128.load(codes, 32), mask);
  const c = v128.and(v128.load(codes, 64), mask);
  const d = v128.and(v128.load(codes, 96), mask);
  const ab = v128.or(a, i16x8.shl(b, 2));
  v128.store(target, v128.or(ab, v128.or(i16x8.shl(c, 4), i16x8.shl(d, 6))));
}
