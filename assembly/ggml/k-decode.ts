/** Q2_K, Q3_K, Q4_K, Q5_K and Q6_K, reading. */

import { loadHalf } from "./halves";
import { highNibbles, storeProducts, storeSums } from "./signed-codes";

export function dequantizeQ2_K(blocksPtr: usize, valuesPtr: usize, blockCount: usize): void {
  const mask = i8x16.splat(3);
  for (let i: usize = 0; i < blockCount; i++) {
    const d = loadHalf(blocksPtr + 80);
    const dmin = loadHalf(blocksPtr + 82);
    for (let j: usize = 0; j < 16; j++) {
      const byte = <u32>load<u8>(blocksPtr + j);
      const bytes = v128.load(blocksPtr + ((j >> 3) << 5) + ((j & 1) << 4), 16);
      const codes = v128.and(i16x8.shr_u(bytes, ((<i32>j >> 1) & 3) << 1), mask);
      const scale = f32x4.splat(d * <f32>(byte & 15));
      storeSums(valuesPtr, codes, scale, f32x4.splat(-(dmin * <f32>(byte >> 4))));
      valuesPtr += 64;
    }
    blocksPtr += 84;
  }
}

export function dequantizeQ3_K(blocksPtr: usize, valuesPtr: usize, blockCount: usize): void {
  const mask = i8x16.splat(3);
  const four = i8x16.splat(4);
  for (let i: usize = 0; i < blockCount; i++) {
    const d = loadHalf(blocksPtr + 108);
    for (let j: u32 = 0; j < 16; j++) {
      const low = <u32>load<u8>(blocksPtr + (j & 7), 96) >> ((j >> 3) << 2);
      const high = <u32>load<u8>(blocksPtr + (j & 3), 104) >> ((j >> 2) << 1);
      const scale = d * <f32>(<i32>((low & 15) | ((high & 3) << 4)) - 32);
      const bytes = v128.load(blocksPtr + ((j >> 3) << 5) + ((j & 1) << 4), 32);
      const codes = v128.and(i16x8.shr_u(bytes, ((j >> 1) & 3) << 1), mask);
      // The bit of sub-block pair j / 2, moved to the place of 4.
      const bit = <i32>j >> 1;
      const bits = v128.load(blocksPtr + ((j & 1) << 4));
      const moved = bit < 2 ? i16x8.shl(bits, 2 - bit) : i16x8.shr_u(bits, bit - 2);
      const code = i8x16.sub(v128.or(codes, v128.and(moved, four)), four);
      storeProducts(valuesPtr, code, f32x4.splat(scale));
      valuesPtr += 64;
    }
    blocksPtr += 110;
  }
}

/** The 6-bit scale of sub-block `j` from the twelve bytes at `ptr`, and its minimum. */
// @ts-ignore: decorator
@inline
function scaleOf(ptr: usize, j: u32): u32 {
  if (j < 4) return <u32>load<u8>(ptr + j) & 63;
  return (<u32>load<u8>(ptr + j, 4) & 15) | ((<u32>load<u8>(ptr + j - 4) >> 6) << 4);
}

// @ts-ignore: decorator
@inline
function minOf(ptr: usize, j: u32): u32 {
  if (j < 4) return <u32>load<u8>(ptr + j, 4) & 63;
  return (<u32>load<u8>(ptr + j, 4) >> 4) | ((<u32>load<u8>(ptr + j) >> 6) << 4);
}

// @ts-ignore: decorator
@inline
function dequantize45(
  blocksPtr: usize,
  valuesPtr: usize,
  blockCount: usize,
  codesAt: usize,
  blockBytes: usize,
): void {
  const low = i8x16.splat(15);
  const fifth = i8x16.splat(16);
  for (let i: usize = 0; i < blockCount; i++) {
    const d = loadHalf(blocksPtr);
    const dmin = loadHalf(blocksPtr + 2);
    // Fifth bits, the next sub-block's lowest.
    let fifths0 = v128.load(blocksPtr, 16);
    let fifths1 = v128.load(blocksPtr, 32);
    let codes = blocksPtr + codesAt;
    for (let j: u32 = 0; j < 8; j += 2) {
      const scale0 = f32x4.splat(d * <f32>scaleOf(blocksPtr + 4, j));
      const scale1 = f32x4.splat(d * <f32>scaleOf(blocksPtr + 4, j + 1));
      const min0 = f32x4.splat(-(dmin * <f32>minOf(blocksPtr + 4, j)));
      const min1 = f32x4.splat(-(dmin * <f32>minOf(blocksPtr + 4, j + 1)));
      const bytes0 = v128.load(codes);
      const bytes1 = v128.load(codes, 16);
      let a = v128.and(bytes0, low);
      let b = v128.and(bytes1, low);
      let c = highNibbles(bytes0);
      let e = highNibbles(bytes1);
      if (codesAt > 16) {
        a = v128.or(a, v128.and(i16x8.shl(fifths0, 4), fifth));
        b = v128.or(b, v128.and(i16x8.shl(fifths1, 4), fifth));
        c = v128.or(c, v128.and(i16x8.shl(fifths0, 3), fifth));
        e = v128.or(e, v128.and(i16x8.shl(fifths1, 3), fifth));
        fifths0 = i16x8.shr_u(fifths0, 2);
        fifths1 = i16x8.shr_u(fifths1, 2);
      }
      storeSums(valuesPtr, a, scale0, min0);
      storeSums(valuesPtr + 64, b, scale0, min0);
      storeSums(valuesPtr + 128, c, scale1, min1);
      storeSums(valuesPtr + 192, e, scale1, min1);
      codes += 32;
      valuesPtr += 256;
    }
    blocksPtr += blockBytes;
  }
}

export function dequantizeQ4_K(blocksPtr: usize, valuesPtr: usize, blockCount: usize): void {
  dequantize45(blocksPtr, valuesPtr, blockCount, 16, 144);
}

export function dequantizeQ5_K(blocksPtr: usize, valuesPtr: usize, blockCount: usize): void {
  dequantize45(blocksPtr, valuesPtr, blockCount, 48, 176);
}

export function dequantizeQ6_K(blocksPtr: usize, valuesPtr: usize, blockCount: usize): void {
  const mask = i8x16.splat(15);
  const upper = i8x16.splat(48);
  const middle = i8x16.splat(32);
  for (let i: usize = 0; i < blockCount; i++) {
    const d = loadHalf(blocksPtr + 208);
    for (let j: u32 = 0; j < 16; j++) {
      const half = j >> 3;
      const run = (j >> 1) & 3;
      const part = (j & 1) << 4;
      const bytes = v128.load(blocksPtr + (half << 6) + ((run & 1) << 5) + part);
      const low = v128.and(run < 2 ? bytes : i16x8.shr_u(bytes, 4), mask);
      const pairs = v128.load(blocksPtr + (half << 5) + part, 128);
      const high = run > 2 ? i16x8.shr_u(pairs, 2) : i16x8.shl(pairs, 4 - (run << 1));
      const codes = v128.or(low, v128.and(high, upper));
      const scale = d * <f32>load<i8>(blocksPtr + j, 192);
      storeProducts(valuesPtr, i8x16.sub(codes, middle), f32x4.splat(scale));
      valuesPtr += 64;
    }
    blocksPtr += 210;
  }
}
