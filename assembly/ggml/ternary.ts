/** TQ1_0: five base-3 digits a byte, as a fraction of 256 rounded up. */

import { constant, HALF } from "./constants";
import { trits } from "./few-bits";
import { inverse, loadHalf, storeHalf } from "./halves";
import { absmaxOf, isOrdinary } from "./magnitudes";
import { storeProducts } from "./signed-codes";

/** 3 · number + digit, in bytes. */
// @ts-ignore: decorator
@inline
function append(number: v128, digit: v128): v128 {
  return i8x16.add(i8x16.add(number, number), i8x16.add(number, digit));
}

/** ⌈256 · n / 243⌉ = n + ⌈13 · n / 243⌉, the latter by a product that is exact below 243. */
// @ts-ignore: decorator
@inline
function fraction(n: v128): v128 {
  const low = i16x8.extend_low_i8x16_u(n);
  const high = i16x8.extend_high_i8x16_u(n);
  const factor = i16x8.splat(878);
  const offset = i16x8.splat(18);
  const more = i8x16.narrow_i16x8_u(
    i16x8.q15mulr_sat_s(i16x8.add(i16x8.add(low, low), offset), factor),
    i16x8.q15mulr_sat_s(i16x8.add(i16x8.add(high, high), offset), factor),
  );
  return i8x16.add(n, more);
}

/** Sixteen bytes of values `stride` bytes apart. */
// @ts-ignore: decorator
@inline
function fiveDigits(ptr: usize, stride: usize, f: v128, half: v128, minusHalf: v128): v128 {
  let n = trits(ptr, f, half, minusHalf);
  n = append(n, trits(ptr + stride, f, half, minusHalf));
  n = append(n, trits(ptr + 2 * stride, f, half, minusHalf));
  n = append(n, trits(ptr + 3 * stride, f, half, minusHalf));
  n = append(n, trits(ptr + 4 * stride, f, half, minusHalf));
  return fraction(n);
}

export function quantizeTQ1_0(valuesPtr: usize, blocksPtr: usize, blockCount: usize): usize {
  const half = constant(HALF);
  const minusHalf = f32x4.neg(half);
  for (let i: usize = 0; i < blockCount; i++) {
    const d = absmaxOf(valuesPtr, 1024);
    if (!isOrdinary(d)) return i;
    const f = f32x4.splat(inverse(d));
    storeHalf(blocksPtr + 52, d);
    v128.store(blocksPtr, fiveDigits(valuesPtr, 128, f, half, minusHalf));
    v128.store(blocksPtr, fiveDigits(valuesPtr + 64, 128, f, half, minusHalf), 16);
    v128.store(blocksPtr, fiveDigits(valuesPtr + 640, 64, f, half, minusHalf), 32);
    // The last sixteen values are four digits of four bytes, and a fifth of 0.
    const last = trits(valuesPtr + 960, f, half, minusHalf);
    let n = last;
    n = append(n, i32x4.shuffle(last, last, 1, 1, 1, 1));
    n = append(n, i32x4.shuffle(last, last, 2, 2, 2, 2));
    n = append(n, i32x4.shuffle(last, last, 3, 3, 3, 3));
    n = fraction(append(n, i32x4.splat(0)));
    v128.store32_lane(blocksPtr, n, 0, 48);
    valuesPtr += 1024;
    blocksPtr += 54;
  }
  return blockCount;
}

/** The digits of sixteen bytes, the first first, to runs `stride` bytes apart. */
// @ts-ignore: decorator
@inline
function storeDigits(ptr: usize, bytes: v128, stride: usize, d: v128): void {
  const one = i8x16.splat(1);
  const mask = i16x8.splat(255);
  let low = i16x8.extend_low_i8x16_u(bytes);
  let high = i16x8.extend_high_i8x16_u(bytes);
  for (const end = ptr + 5 * stride; ptr < end; ptr += stride) {
    low = i16x8.add(low, i16x8.add(low, low));
    high = i16x8.add(high, i16x8.add(high, high));
    const digits = i8x16.narrow_i16x8_u(i16x8.shr_u(low, 8), i16x8.shr_u(high, 8));
    storeProducts(ptr, i8x16.sub(digits, one), d);
    low = v128.and(low, mask);
    high = v128.and(high, mask);
  }
}

export function dequantizeTQ1_0(blocksPtr: usize, valuesPtr: usize, blockCount: usize): void {
  for (let i: usize = 0; i < blockCount; i++) {
    const scale = loadHalf(blocksPtr + 52);
    const d = f32x4.splat(scale);
    storeDigits(valuesPtr, v128.load(blocksPtr), 128, d);
    storeDigits(valuesPtr + 64, v128.load(blocksPtr, 16), 128, d);
    storeDigits(valuesPtr + 640, v128.load(blocksPtr, 32), 64, d);
    for (let m: usize = 0; m < 4; m++) {
      let rest: u32 = load<u8>(blocksPtr + m, 48);
      for (let n: usize = 0; n < 4; n++) {
        rest *= 3;
        store<f32>(valuesPtr + ((m + (n << 2)) << 2), (<f32>(<i32>(rest >> 8) - 1)) * scale, 960);
        rest &= 255;
      }
    }
    valuesPtr += 1024;
    blocksPtr += 54;
  }
}
