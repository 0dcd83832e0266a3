/** IQ4_NL and IQ4_XS; src/kernels/reference/ggml/iq4.ts. */

import { constant, MAGIC, ONE, TINY } from "./constants";
import { extremeOf, inverse, loadHalf, nearestInt, storeHalf } from "./halves";
import { indices, iq4Levels, iq4Table, iq4Thresholds } from "./iq4-levels";
import { packed } from "./nibbles";
import { SCALES, W, X } from "./places";
import { weighSquares } from "./search-signed";
import { highNibbles, storeProducts } from "./signed-codes";
import { extremes, transpose } from "./transposed";

/** Reads X, four sub-blocks of 32. Writes their scales, before they are rounded, to SCALES from `j`. */
function search(j: usize): void {
  weighSquares(512);
  const zero = f32x4.splat(0);
  const magic = constant(MAGIC);
  const low = iq4Table(0);
  const high = iq4Table(1);
  const six = iq4Table(2);
  const offset = iq4Table(3);
  const byte = i16x8.splat(255);
  const threshold = iq4Thresholds();
  const levels = iq4Levels();
  const most = extremes(X, 32);
  const tiny = f32x4.lt(f32x4.abs(most), constant(TINY));

  let d = zero;
  let best = zero;
  for (let n = -8; n <= 7; n++) {
    const isFirst = n === -8;
    let factor = f32x4.div(f32x4.splat(<f32>(n - 127)), most);
    if (isFirst) {
      factor = f32x4.div(constant(ONE), f32x4.div(f32x4.neg(most), f32x4.splat(-127)));
    }
    const twice = f32x4.add(factor, factor);
    let sumQX = zero;
    let sumQ2 = zero;
    for (let at: usize = 0; at < 512; at += 64) {
      const x0 = v128.load(X + at);
      const x1 = v128.load(X + at, 16);
      const x2 = v128.load(X + at, 32);
      const x3 = v128.load(X + at, 48);
      const codes = indices(
        f32x4.mul(x0, twice),
        f32x4.mul(x1, twice),
        f32x4.mul(x2, twice),
        f32x4.mul(x3, twice),
        magic,
        low,
        high,
        six,
        offset,
        byte,
        threshold,
      );
      const found = i8x16.swizzle(levels, codes);
      const q01 = i16x8.extend_low_i8x16_s(found);
      const q23 = i16x8.extend_high_i8x16_s(found);
      const q0 = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(q01));
      const q1 = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(q01));
      const q2 = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(q23));
      const q3 = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(q23));
      const wq0 = f32x4.mul(v128.load(W + at), q0);
      const wq1 = f32x4.mul(v128.load(W + at, 16), q1);
      const wq2 = f32x4.mul(v128.load(W + at, 32), q2);
      const wq3 = f32x4.mul(v128.load(W + at, 48), q3);
      sumQX = f32x4.add(sumQX, f32x4.mul(wq0, x0));
      sumQ2 = f32x4.add(sumQ2, f32x4.mul(wq0, q0));
      sumQX = f32x4.add(sumQX, f32x4.mul(wq1, x1));
      sumQ2 = f32x4.add(sumQ2, f32x4.mul(wq1, q1));
      sumQX = f32x4.add(sumQX, f32x4.mul(wq2, x2));
      sumQ2 = f32x4.add(sumQ2, f32x4.mul(wq2, q2));
      sumQX = f32x4.add(sumQX, f32x4.mul(wq3, x3));
      sumQ2 = f32x4.add(sumQ2, f32x4.mul(wq3, q3));
    }
    const isPositive = f32x4.gt(sumQ2, zero);
    const newD = f32x4.div(sumQX, sumQ2);
    if (isFirst) {
      d = v128.and(newD, isPositive);
      best = f32x4.mul(d, sumQX);
      continue;
    }
    const isBetter = v128.and(
      isPositive,
      f32x4.gt(f32x4.mul(sumQX, sumQX), f32x4.mul(best, sumQ2)),
    );
    d = v128.bitselect(newD, d, isBetter);
    best = v128.bitselect(f32x4.mul(newD, sumQX), best, isBetter);
  }
  v128.store(SCALES + (j << 2), v128.andnot(d, tiny));
}

/** Sixteen bytes: the codes of 32 values times `factor`, as halves. NaN takes the last level. */
function storeCodes(ptr: usize, factor: f32, target: usize): void {
  const low = codes16(ptr, f32x4.splat(factor));
  v128.store(target, packed(low, codes16(ptr + 64, f32x4.splat(factor))));
}

// @ts-ignore: decorator
@inline
function codes16(ptr: usize, f: v128): v128 {
  return indices(
    doubled(v128.load(ptr), f),
    doubled(v128.load(ptr, 16), f),
    doubled(v128.load(ptr, 32), f),
    doubled(v128.load(ptr, 48), f),
    constant(MAGIC),
    iq4Table(0),
    iq4Table(1),
    iq4Table(2),
    iq4Table(3),
    i16x8.splat(255),
    iq4Thresholds(),
  );
}

/** Twice the product, within what `indices` takes. */
// @ts-ignore: decorator
@inline
function doubled(x: v128, f: v128): v128 {
  const y = f32x4.pmin(f32x4.splat(137), f32x4.mul(x, f));
  const clamped = f32x4.pmax(f32x4.splat(-137), y);
  return f32x4.add(clamped, clamped);
}

export function quantizeIQ4_NL(valuesPtr: usize, blocksPtr: usize, blockCount: usize): usize {
  for (let i: usize = 0; i < blockCount; i += 4) {
    const last = min(blockCount - i, 4) - 1;
    const p1 = valuesPtr + (min(1, last) << 7);
    const p2 = valuesPtr + (min(2, last) << 7);
    transpose(valuesPtr, p1, p2, valuesPtr + (last << 7), X, 32);
    search(0);
    for (let j: usize = 0; j <= last; j++) {
      const d = load<f32>(SCALES + (j << 2));
      storeHalf(blocksPtr, d);
      storeCodes(valuesPtr, inverse(d), blocksPtr + 2);
      valuesPtr += 128;
      blocksPtr += 18;
    }
  }
  return blockCount;
}

export function quantizeIQ4_XS(valuesPtr: usize, blocksPtr: usize, blockCount: usize): usize {
  for (let i: usize = 0; i < blockCount; i++) {
    for (let j: usize = 0; j < 8; j += 4) {
      const ptr = valuesPtr + (j << 7);
      transpose(ptr, ptr + 128, ptr + 256, ptr + 384, X, 32);
      search(j);
    }
    const d = -extremeOf(SCALES, 8) / 32;
    const factor = inverse(d);
    storeHalf(blocksPtr, d);
    store<u32>(blocksPtr, 0, 4);
    let upper: u32 = 0;
    for (let j: usize = 0; j < 8; j++) {
      const unit = max(-32, min(31, nearestInt(factor * load<f32>(SCALES + (j << 2)))));
      const scale = d * <f32>unit;
      storeCodes(valuesPtr + (j << 7), inverse(scale), blocksPtr + 8 + (j << 4));
      const code = <u32>(unit + 32);
      const low = blocksPtr + 4 + (j >> 1);
      store<u8>(low, load<u8>(low) | ((code & 15) << ((<u32>j & 1) << 2)));
      upper |= (code >> 4) << (<u32>j << 1);
    }
    store<u16>(blocksPtr, upper, 2);
    valuesPtr += 1024;
    blocksPtr += 136;
  }
  return blockCount;
}

export function dequantizeIQ4_NL(blocksPtr: usize, valuesPtr: usize, blockCount: usize): void {
  const levels = iq4Levels();
  for (let i: usize = 0; i < blockCount; i++) {
    storeLevels(valuesPtr, blocksPtr + 2, levels, f32x4.splat(loadHalf(blocksPtr)));
    valuesPtr += 128;
    blocksPtr += 18;
  }
}

// @ts-ignore: decorator
@inline
function storeLevels(valuesPtr: usize, codesPtr: usize, levels: v128, scale: v128): void {
  const bytes = v128.load(codesPtr);
  const low = v128.and(bytes, i8x16.splat(15));
  storeProducts(valuesPtr, i8x16.swizzle(levels, low), scale);
  storeProducts(valuesPtr + 64, i8x16.swizzle(levels, highNibbles(bytes)), scale);
}

export function dequantizeIQ4_XS(blocksPtr: usize, valuesPtr: usize, blockCount: usize): void {
  const levels = iq4Levels();
  for (let i: usize = 0; i < blockCount; i++) {
    const d = loadHalf(blocksPtr);
    let upper = <u32>load<u16>(blocksPtr, 2);
    let lower = load<u32>(blocksPtr, 4);
    let codes = blocksPtr + 8;
    for (const end = codes + 128; codes < end; codes += 16) {
      const code = (lower & 15) | ((upper & 3) << 4);
      const scale = f32x4.splat(d * (<f32>code - 32));
      storeLevels(valuesPtr, codes, levels, scale);
      lower >>= 4;
      upper >>= 2;
      valuesPtr += 128;
    }
    blocksPtr += 136;
  }
}
