/** Q3_K and Q6_K, writing. */

import { constant, LOW_BYTE, MAGIC_FRACTION, MAGIC_MIDDLE, TINY } from "./constants";
import { extremeOf, loadHalf, nearestInt, storeHalf } from "./halves";
import { storePlanes } from "./k-ranged";
import { packed } from "./nibbles";
import { CODES, INVERSES, SCALES, TRIED, X } from "./places";
import { searchDescent, searchSigned, weighSquares } from "./search-signed";
import { lowBytes } from "./signed-codes";
import { nearestWithin, transpose } from "./transposed";

/** Sixteen codes, from 0 on, of x / divisor, or of x · factor if the divisor is 0. */
// @ts-ignore: decorator
@inline
function recode(ptr: usize, divisor: f32, factor: f32, middle: i32): v128 {
  const lowest = i32x4.splat(-middle);
  const highest = i32x4.splat(middle - 1);
  const fraction = constant(MAGIC_FRACTION);
  const half = constant(MAGIC_MIDDLE);
  let a = v128.load(ptr);
  let b = v128.load(ptr, 16);
  let c = v128.load(ptr, 32);
  let d = v128.load(ptr, 48);
  if (divisor === 0) {
    const f = f32x4.splat(factor);
    a = f32x4.mul(a, f);
    b = f32x4.mul(b, f);
    c = f32x4.mul(c, f);
    d = f32x4.mul(d, f);
  } else {
    const f = f32x4.splat(divisor);
    a = f32x4.div(a, f);
    b = f32x4.div(b, f);
    c = f32x4.div(c, f);
    d = f32x4.div(d, f);
  }
  const codes = lowBytes(
    nearestWithin(a, lowest, highest, fraction, half),
    nearestWithin(b, lowest, highest, fraction, half),
    nearestWithin(c, lowest, highest, fraction, half),
    nearestWithin(d, lowest, highest, fraction, half),
    constant(LOW_BYTE),
  );
  return i8x16.add(codes, i8x16.splat(<i8>middle));
}

export function quantizeQ6_K(valuesPtr: usize, blocksPtr: usize, blockCount: usize): usize {
  const tiny = f32x4.extract_lane(constant(TINY), 0);
  for (let i: usize = 0; i < blockCount; i++, valuesPtr += 1024, blocksPtr += 210) {
    for (let j: usize = 0; j < 16; j += 4) {
      const ptr = valuesPtr + (j << 6);
      transpose(ptr, ptr + 64, ptr + 128, ptr + 192, X, 16);
      weighSquares(256);
      searchSigned(j, 32);
    }
    const maxScale = extremeOf(SCALES, 16);
    if (abs(maxScale) < tiny) {
      memory.fill(blocksPtr, 0, 210);
      continue;
    }
    const factor = <f32>-128 / maxScale;
    storeHalf(blocksPtr + 208, <f32>1 / factor);
    const d = loadHalf(blocksPtr + 208);
    for (let j: usize = 0; j < 16; j++) {
      const inverse = load<f32>(INVERSES + (j << 2));
      const stored = <i8>min(127, nearestInt(factor * load<f32>(SCALES + (j << 2))));
      store<i8>(blocksPtr + j, stored, 192);
      const divisor = d * <f32>stored;
      // Where all values are tiny the codes are 0, not the middle.
      const codes =
        divisor === 0 && inverse === 0
          ? i32x4.splat(0)
          : recode(valuesPtr + (j << 6), divisor, inverse, 32);
      v128.store(CODES + (j << 4), codes);
    }
    store128(CODES, blocksPtr, blocksPtr + 128);
    store128(CODES + 128, blocksPtr + 64, blocksPtr + 160);
  }
  return blockCount;
}

/** 128 codes of 6 bits: 64 bytes of low nibbles and 32 of upper pairs. */
// @ts-ignore: decorator
@inline
function store128(codes: usize, low: usize, high: usize): void {
  const mask = i8x16.splat(15);
  const pair = i8x16.splat(3);
  for (let at: usize = 0; at < 32; at += 16) {
    const a = v128.load(codes + at);
    const b = v128.load(codes + at, 32);
    const c = v128.load(codes + at, 64);
    const d = v128.load(codes + at, 96);
    v128.store(low + at, packed(v128.and(a, mask), v128.and(c, mask)));
    v128.store(low + at, packed(v128.and(b, mask), v128.and(d, mask)), 32);
    const ab = v128.or(
      v128.and(i16x8.shr_u(a, 4), pair),
      i16x8.shl(v128.and(i16x8.shr_u(b, 4), pair), 2),
    );
    const cd = v128.or(
      i16x8.shl(v128.and(i16x8.shr_u(c, 4), pair), 4),
      i16x8.shl(v128.and(i16x8.shr_u(d, 4), pair), 6),
    );
    v128.store(high + at, v128.or(ab, cd));
  }
}

export function quantizeQ3_K(valuesPtr: usize, blocksPtr: usize, blockCount: usize): usize {
  for (let i: usize = 0; i < blockCount; i++) {
    for (let j: usize = 0; j < 16; j += 4) {
      const ptr = valuesPtr + (j << 6);
      transpose(ptr, ptr + 64, ptr + 128, ptr + 192, X + (j << 6), 16);
    }
    weighSquares(1024);
    searchDescent(0, 0);
    searchDescent(8, 512);
    const maxScale = extremeOf(SCALES, 16);
    const factor: f32 = maxScale !== 0 ? <f32>-32 / maxScale : 0;
    store<u32>(blocksPtr, 0, 96);
    store<u32>(blocksPtr, 0, 100);
    store<u32>(blocksPtr, 0, 104);
    storeHalf(blocksPtr + 108, maxScale !== 0 ? <f32>1 / factor : 0);
    const d = loadHalf(blocksPtr + 108);
    for (let j: usize = 0; j < 16; j++) {
      let code = 0;
      if (maxScale !== 0) {
        const number = <i32>(<i8>nearestInt(factor * load<f32>(SCALES + (j << 2))));
        code = max(-32, min(31, number)) + 32;
      }
      const low = blocksPtr + 96 + (j & 7);
      const high = blocksPtr + 104 + (j & 3);
      store<u8>(low, load<u8>(low) | ((code & 15) << ((<i32>j >> 3) << 2)));
      store<u8>(high, load<u8>(high) | ((code >> 4) << ((<i32>j >> 2) << 1)));
      const divisor = d * <f32>(code - 32);
      v128.store(
        CODES + (j << 4),
        divisor === 0 ? searched(j) : recode(valuesPtr + (j << 6), divisor, 0, 4),
      );
    }
    storeHighBits(blocksPtr, 0);
    storeHighBits(blocksPtr + 16, 16);
    storePlanes(CODES, blocksPtr + 32);
    storePlanes(CODES + 16, blocksPtr + 48);
    storePlanes(CODES + 128, blocksPtr + 64);
    storePlanes(CODES + 144, blocksPtr + 80);
    valuesPtr += 1024;
    blocksPtr += 110;
  }
  return blockCount;
}

/** The codes that the search left in TRIED for sub-block `j`, from 0 on. */
function searched(j: usize): v128 {
  const lane = TRIED + ((j >> 2) << 8) + ((j & 3) << 2);
  for (let m: usize = 0; m < 16; m++) {
    store<i8>(CODES + (j << 4) + m, <i8>load<f32>(lane + (m << 4)) + 4);
  }
  return v128.load(CODES + (j << 4));
}

/** Sixteen bytes, bit b that of code m + 32 · b being above 3. */
// @ts-ignore: decorator
@inline
function storeHighBits(ptr: usize, offset: usize): void {
  const one = i8x16.splat(1);
  let bytes = i32x4.splat(0);
  for (let b = 7; b >= 0; b--) {
    const codes = v128.load(CODES + (<usize>b << 5) + offset);
    bytes = v128.or(i8x16.add(bytes, bytes), v128.and(i16x8.shr_u(codes, 2), one));
  }
  v128.store(ptr, bytes);
}
