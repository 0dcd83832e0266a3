/** MXFP4 and NVFP4: codes of E2M1 with a scale that is a small float. */

import { constant, MAGNITUDE } from "./constants";
import { absmaxOf } from "./magnitudes";
import { packed } from "./nibbles";
import { highNibbles, storeProducts } from "./signed-codes";

/** The levels of E2M1, doubled, by code. */
function levels(): v128 {
  return v128.load(memory.data<i8>([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]));
}

/** f32[7][4]: where the nearest of two doubled levels changes; a tie goes to the smaller. */
function middles(): usize {
  return memory.data<f32>([
    0.5, 0.5, 0.5, 0.5, 1.5, 1.5, 1.5, 1.5, 2.5, 2.5, 2.5, 2.5, 3.5, 3.5, 3.5, 3.5, 5, 5, 5, 5, 7,
    7, 7, 7, 10, 10, 10, 10,
  ]);
}

/** How many thresholds four magnitudes exceed. */
// @ts-ignore: decorator
@inline
function above(x: v128, a: v128, b: v128, c: v128, d: v128, e: v128, f: v128, g: v128): v128 {
  let n = i32x4.add(f32x4.gt(x, a), f32x4.gt(x, b));
  n = i32x4.add(n, i32x4.add(f32x4.gt(x, c), f32x4.gt(x, d)));
  n = i32x4.add(n, i32x4.add(f32x4.gt(x, e), f32x4.gt(x, f)));
  return i32x4.add(n, f32x4.gt(x, g));
}

/** Sixteen codes; −0 is never one. A scale of 0 has no levels but 0. */
// @ts-ignore: decorator
@inline
function codes16(ptr: usize, scale: f32, magnitude: v128): v128 {
  const s = f32x4.splat(scale === 0 ? Infinity : scale);
  const table = middles();
  const a = f32x4.mul(v128.load(table), s);
  const b = f32x4.mul(v128.load(table, 16), s);
  const c = f32x4.mul(v128.load(table, 32), s);
  const d = f32x4.mul(v128.load(table, 48), s);
  const e = f32x4.mul(v128.load(table, 64), s);
  const f = f32x4.mul(v128.load(table, 80), s);
  const g = f32x4.mul(v128.load(table, 96), s);
  const x0 = v128.load(ptr);
  const x1 = v128.load(ptr, 16);
  const x2 = v128.load(ptr, 32);
  const x3 = v128.load(ptr, 48);
  const counts = i8x16.neg(
    i8x16.narrow_i16x8_s(
      i16x8.narrow_i32x4_s(
        above(v128.and(x0, magnitude), a, b, c, d, e, f, g),
        above(v128.and(x1, magnitude), a, b, c, d, e, f, g),
      ),
      i16x8.narrow_i32x4_s(
        above(v128.and(x2, magnitude), a, b, c, d, e, f, g),
        above(v128.and(x3, magnitude), a, b, c, d, e, f, g),
      ),
    ),
  );
  const signs = i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(x0, x1), i16x8.narrow_i32x4_s(x2, x3));
  const zero = i8x16.splat(0);
  const minus = v128.and(i8x16.lt_s(signs, zero), i8x16.gt_s(counts, zero));
  return v128.or(counts, v128.and(minus, i8x16.splat(8)));
}

/**
 * ⌊log2f(x)⌋ of a positive normal float: the logarithm of the few floats just below 2^k rounds to k.
 * src/schemes/ggml/log2-floor.ts.
 */
function log2Floor(bits: u32): i32 {
  const exponent = <i32>(bits >> 23) - 127;
  const k = exponent + 1;
  const below: u32 = 0x800000 - (bits & 0x7fffff);
  // How far k is from 0, negative numbers counted one further.
  const size = k > 0 ? k - 1 : -k;
  let near: u32 = 0;
  if (size >= 64) near = 44;
  else if (size >= 32) near = 22;
  else if (size >= 16) near = 11;
  else if (size >= 8) near = 5;
  else if (size >= 4) near = 2;
  else if (size >= 2) near = 1;
  return below <= near ? k : exponent;
}

/** Half of 2^(e − 127). */
// @ts-ignore: decorator
@inline
function mxScale(e: u32): f32 {
  return reinterpret<f32>(e < 2 ? <u32>0x00200000 << e : (e - 1) << 23);
}

export function quantizeMXFP4(valuesPtr: usize, blocksPtr: usize, blockCount: usize): usize {
  const magnitude = constant(MAGNITUDE);
  for (let i: usize = 0; i < blockCount; i++) {
    const bits = reinterpret<u32>(absmaxOf(valuesPtr, 128));
    const e: u32 = bits < 0x00800000 ? 0 : <u32>max<i32>(0, log2Floor(bits) - 2 + 127);
    const scale = mxScale(e);
    store<u8>(blocksPtr, e);
    const low = codes16(valuesPtr, scale, magnitude);
    const high = codes16(valuesPtr + 64, scale, magnitude);
    v128.store(blocksPtr, packed(low, high), 1);
    valuesPtr += 128;
    blocksPtr += 17;
  }
  return blockCount;
}

export function dequantizeMXFP4(blocksPtr: usize, valuesPtr: usize, blockCount: usize): void {
  const table = levels();
  const mask = i8x16.splat(15);
  for (const end = blocksPtr + 17 * blockCount; blocksPtr < end; blocksPtr += 17) {
    const scale = f32x4.splat(mxScale(load<u8>(blocksPtr)));
    const bytes = v128.load(blocksPtr, 1);
    storeProducts(valuesPtr, i8x16.swizzle(table, v128.and(bytes, mask)), scale);
    storeProducts(valuesPtr + 64, i8x16.swizzle(table, highNibbles(bytes)), scale);
    valuesPtr += 128;
  }
}

/** E4M3 without a sign; half a step is rounded up. `value` is not negative. */
// @ts-ignore: decorator
@inline
function toE4m3(value: f32): u32 {
  const bits = reinterpret<u32>(value);
  if (bits >= 0x43780000) return 0x7e; // 248: half a step below 256, whose exponent is not used
  if (bits < 0x3c800000) return min(7, <u32>(value * 512 + 0.5)); // 2^-6
  return ((bits + 0x00080000) >> 20) - (120 << 3);
}

/** Half of the number; the code of NaN is 0. */
// @ts-ignore: decorator
@inline
function e4m3Scale(code: u32): f32 {
  if (code === 0x7f) return 0;
  const exponent = (code >> 3) & 15;
  const fraction = code & 7;
  if (exponent === 0) return <f32>fraction * reinterpret<f32>(0x3a800000);
  return reinterpret<f32>(((exponent + 119) << 23) | (fraction << 20));
}

export function quantizeNVFP4(valuesPtr: usize, blocksPtr: usize, blockCount: usize): usize {
  const magnitude = constant(MAGNITUDE);
  for (let i: usize = 0; i < blockCount; i++) {
    for (let group: usize = 0; group < 4; group++) {
      const amax = absmaxOf(valuesPtr + (group << 6), 64);
      // Far beyond the largest level ggml's errors, rounded, are all alike.
      if (amax > 1048576) return i;
      const code = toE4m3(amax / 6);
      store<u8>(blocksPtr + group, code);
      const codes = codes16(valuesPtr + (group << 6), e4m3Scale(code), magnitude);
      const bytes = v128.or(codes, i8x16.shuffle(
        i16x8.shl(codes, 4), codes, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7,
      ));
      v128.store64_lane(blocksPtr + (group << 3), bytes, 0, 4);
    }
    valuesPtr += 256;
    blocksPtr += 36;
  }
  return blockCount;
}

export function dequantizeNVFP4(blocksPtr: usize, valuesPtr: usize, blockCount: usize): void {
  const table = levels();
  const mask = i8x16.splat(15);
  for (let i: usize = 0; i < blockCount; i++) {
    for (let group: usize = 0; group < 4; group++) {
      const scale = f32x4.splat(e4m3Scale(load<u8>(blocksPtr + group)));
      const bytes = v128.load64_splat(blocksPtr + (group << 3), 4);
      const codes = i64x2.shuffle(v128.and(bytes, mask), highNibbles(bytes), 0, 2);
      storeProducts(valuesPtr, i8x16.swizzle(table, codes), scale);
      valuesPtr += 64;
    }
    blocksPtr += 36;
  }
}
