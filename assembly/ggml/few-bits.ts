/** Q1_0, Q2_0, TQ1_0 and TQ2_0. */

import { constant, HALF } from "./constants";
import { inverse, loadHalf, storeHalf } from "./halves";
import { absmaxOf, isOrdinary } from "./magnitudes";
import { spreadBits, storeProducts } from "./signed-codes";

/** Σ |x| in order. */
export function quantizeQ1_0(valuesPtr: usize, blocksPtr: usize, blockCount: usize): usize {
  const zero = f32x4.splat(0);
  let i: usize = 0;
  for (; i + 4 <= blockCount; i += 4) {
    // Four sums that do not wait for each other.
    let a: f32 = 0;
    let b: f32 = 0;
    let c: f32 = 0;
    let d: f32 = 0;
    let at = valuesPtr;
    for (const end = at + 512; at < end; at += 8) {
      a = a + abs(load<f32>(at)) + abs(load<f32>(at, 4));
      b = b + abs(load<f32>(at, 512)) + abs(load<f32>(at, 516));
      c = c + abs(load<f32>(at, 1024)) + abs(load<f32>(at, 1028));
      d = d + abs(load<f32>(at, 1536)) + abs(load<f32>(at, 1540));
    }
    storeSigns(valuesPtr, blocksPtr, a, zero);
    storeSigns(valuesPtr + 512, blocksPtr + 18, b, zero);
    storeSigns(valuesPtr + 1024, blocksPtr + 36, c, zero);
    storeSigns(valuesPtr + 1536, blocksPtr + 54, d, zero);
    valuesPtr += 2048;
    blocksPtr += 72;
  }
  for (; i < blockCount; i++) {
    let sum: f32 = 0;
    for (let at: usize = 0; at < 512; at += 4) sum += abs(load<f32>(valuesPtr + at));
    storeSigns(valuesPtr, blocksPtr, sum, zero);
    valuesPtr += 512;
    blocksPtr += 18;
  }
  return blockCount;
}

function storeSigns(valuesPtr: usize, blockPtr: usize, sum: f32, zero: v128): void {
  storeHalf(blockPtr, sum / 128);
  for (const end = blockPtr + 16; blockPtr < end; blockPtr += 2) {
    const signs = i8x16.narrow_i16x8_s(
      i16x8.narrow_i32x4_s(
        f32x4.ge(v128.load(valuesPtr), zero),
        f32x4.ge(v128.load(valuesPtr, 16), zero),
      ),
      i16x8.narrow_i32x4_s(
        f32x4.ge(v128.load(valuesPtr, 32), zero),
        f32x4.ge(v128.load(valuesPtr, 48), zero),
      ),
    );
    store<u16>(blockPtr + 2, i8x16.bitmask(signs));
    valuesPtr += 64;
  }
}

export function dequantizeQ1_0(blocksPtr: usize, valuesPtr: usize, blockCount: usize): void {
  const one = i8x16.splat(1);
  for (let i: usize = 0; i < blockCount; i++) {
    const d = f32x4.splat(loadHalf(blocksPtr));
    blocksPtr += 2;
    for (const end = blocksPtr + 16; blocksPtr < end; blocksPtr += 2) {
      const bits = spreadBits(v128.load16_splat(blocksPtr), 2);
      storeProducts(valuesPtr, i8x16.sub(bits, one), d);
      valuesPtr += 64;
    }
  }
}

/** Sixteen codes 0, 1, 2: one more than x · factor, rounded, its magnitude being at most 1. */
// @ts-ignore: decorator
@inline
export function trits(ptr: usize, factor: v128, half: v128, minusHalf: v128): v128 {
  const a = f32x4.mul(v128.load(ptr), factor);
  const b = f32x4.mul(v128.load(ptr, 16), factor);
  const c = f32x4.mul(v128.load(ptr, 32), factor);
  const d = f32x4.mul(v128.load(ptr, 48), factor);
  const up = i8x16.narrow_i16x8_s(
    i16x8.narrow_i32x4_s(f32x4.ge(a, half), f32x4.ge(b, half)),
    i16x8.narrow_i32x4_s(f32x4.ge(c, half), f32x4.ge(d, half)),
  );
  const down = i8x16.narrow_i16x8_s(
    i16x8.narrow_i32x4_s(f32x4.le(a, minusHalf), f32x4.le(b, minusHalf)),
    i16x8.narrow_i32x4_s(f32x4.le(c, minusHalf), f32x4.le(d, minusHalf)),
  );
  return i8x16.add(i8x16.sub(i8x16.splat(1), up), down);
}

/** Four neighbours a byte: byte 4 j … 4 j + 3 of `codes` to the low byte of lane j. */
// @ts-ignore: decorator
@inline
function joinFour(codes: v128): v128 {
  const pairs = v128.or(codes, i16x8.shr_u(codes, 6));
  return v128.and(v128.or(pairs, i32x4.shr_u(pairs, 12)), i32x4.splat(0xff));
}

export function quantizeQ2_0(valuesPtr: usize, blocksPtr: usize, blockCount: usize): usize {
  const half = constant(HALF);
  const minusHalf = f32x4.neg(half);
  for (let i: usize = 0; i < blockCount; i++) {
    const d = absmaxOf(valuesPtr, 256);
    if (!isOrdinary(d)) return i;
    const f = f32x4.splat(inverse(d));
    storeHalf(blocksPtr, d);
    const a = joinFour(trits(valuesPtr, f, half, minusHalf));
    const b = joinFour(trits(valuesPtr + 64, f, half, minusHalf));
    const c = joinFour(trits(valuesPtr + 128, f, half, minusHalf));
    const e = joinFour(trits(valuesPtr + 192, f, half, minusHalf));
    const bytes = i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, e));
    v128.store(blocksPtr, bytes, 2);
    valuesPtr += 256;
    blocksPtr += 18;
  }
  return blockCount;
}

export function dequantizeQ2_0(blocksPtr: usize, valuesPtr: usize, blockCount: usize): void {
  const mask = i8x16.splat(3);
  const one = i8x16.splat(1);
  for (const end = blocksPtr + 18 * blockCount; blocksPtr < end; blocksPtr += 18) {
    const d = f32x4.splat(loadHalf(blocksPtr));
    const bytes = v128.load(blocksPtr, 2);
    const a = i8x16.sub(v128.and(bytes, mask), one);
    const b = i8x16.sub(v128.and(i16x8.shr_u(bytes, 2), mask), one);
    const c = i8x16.sub(v128.and(i16x8.shr_u(bytes, 4), mask), one);
    const e = i8x16.sub(v128.and(i16x8.shr_u(bytes, 6), mask), one);
    const ab = i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const ce = i8x16.shuffle(c, e, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const AB = i8x16.shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    const CE = i8x16.shuffle(c, e, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    storeProducts(valuesPtr, i16x8.shuffle(ab, ce, 0, 8, 1, 9, 2, 10, 3, 11), d);
    storeProducts(valuesPtr + 64, i16x8.shuffle(ab, ce, 4, 12, 5, 13, 6, 14, 7, 15), d);
    storeProducts(valuesPtr + 128, i16x8.shuffle(AB, CE, 0, 8, 1, 9, 2, 10, 3, 11), d);
    storeProducts(valuesPtr + 192, i16x8.shuffle(AB, CE, 4, 12, 5, 13, 6, 14, 7, 15), d);
    valuesPtr += 256;
  }
}

export function quantizeTQ2_0(valuesPtr: usize, blocksPtr: usize, blockCount: usize): usize {
  const half = constant(HALF);
  const minusHalf = f32x4.neg(half);
  for (let i: usize = 0; i < blockCount; i++) {
    const d = absmaxOf(valuesPtr, 1024);
    if (!isOrdinary(d)) return i;
    const f = f32x4.splat(inverse(d));
    storeHalf(blocksPtr + 64, d);
    for (let part: usize = 0; part < 4; part++) {
      // Bytes 16 · part …: values of 128 · (part / 2) + 16 · (part mod 2) …, 32 apart.
      const ptr = valuesPtr + ((part >> 1) << 9) + ((part & 1) << 6);
      const a = trits(ptr, f, half, minusHalf);
      const b = i16x8.shl(trits(ptr + 128, f, half, minusHalf), 2);
      const c = i16x8.shl(trits(ptr + 256, f, half, minusHalf), 4);
      const e = i16x8.shl(trits(ptr + 384, f, half, minusHalf), 6);
      v128.store(blocksPtr + (part << 4), v128.or(v128.or(a, b), v128.or(c, e)));
    }
    valuesPtr += 1024;
    blocksPtr += 66;
  }
  return blockCount;
}

export function dequantizeTQ2_0(blocksPtr: usize, valuesPtr: usize, blockCount: usize): void {
  const mask = i8x16.splat(3);
  const one = i8x16.splat(1);
  for (let i: usize = 0; i < blockCount; i++) {
    const d = f32x4.splat(loadHalf(blocksPtr + 64));
    for (let part: usize = 0; part < 4; part++) {
      const ptr = valuesPtr + ((part >> 1) << 9) + ((part & 1) << 6);
      const bytes = v128.load(blocksPtr + (part << 4));
      storeProducts(ptr, i8x16.sub(v128.and(bytes, mask), one), d);
      storeProducts(ptr + 128, i8x16.sub(v128.and(i16x8.shr_u(bytes, 2), mask), one), d);
      storeProducts(ptr + 256, i8x16.sub(v128.and(i16x8.shr_u(bytes, 4), mask), one), d);
      storeProducts(ptr + 384, i8x16.sub(v128.and(i16x8.shr_u(bytes, 6), mask), one), d);
    }
    valuesPtr += 1024;
    blocksPtr += 66;
  }
}
