/** Largest magnitudes of a run of values. */

import { extremeOf } from "./halves";

/** Twice the bits of the largest magnitude, in every lane: four vectors at a time, byteCount n · 64. */
// @ts-ignore: decorator
@inline
export function absmaxOf(ptr: usize, byteCount: usize): f32 {
  let a = i32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  const end = ptr + byteCount;
  do {
    a = i32x4.max_u(a, i32x4.shl(v128.load(ptr), 1));
    b = i32x4.max_u(b, i32x4.shl(v128.load(ptr, 16), 1));
    c = i32x4.max_u(c, i32x4.shl(v128.load(ptr, 32), 1));
    d = i32x4.max_u(d, i32x4.shl(v128.load(ptr, 48), 1));
    ptr += 64;
  } while (ptr < end);
  a = i32x4.max_u(i32x4.max_u(a, b), i32x4.max_u(c, d));
  a = i32x4.max_u(a, i32x4.shuffle(a, a, 2, 3, 0, 1));
  a = i32x4.max_u(a, i32x4.shuffle(a, a, 1, 0, 3, 2));
  return reinterpret<f32>((<u32>i32x4.extract_lane(a, 0)) >> 1);
}

/** Whether `magnitude` is 0, or its inverse and all that comes of it is an ordinary number. */
// @ts-ignore: decorator
@inline
export function isOrdinary(magnitude: f32): bool {
  const low: u32 = 0x0d800000; // 2^-100
  const high: u32 = 0x71800000; // 2^100
  return magnitude === 0 || reinterpret<u32>(magnitude) - low <= high - low;
}

/** The smallest (of −x: the largest) of 32 values, in every lane. */
// @ts-ignore: decorator
@inline
export function smallestOf32(ptr: usize): v128 {
  const a = f32x4.pmin(v128.load(ptr), v128.load(ptr, 16));
  const b = f32x4.pmin(v128.load(ptr, 32), v128.load(ptr, 48));
  const c = f32x4.pmin(v128.load(ptr, 64), v128.load(ptr, 80));
  const d = f32x4.pmin(v128.load(ptr, 96), v128.load(ptr, 112));
  const e = f32x4.pmin(f32x4.pmin(a, b), f32x4.pmin(c, d));
  const f = f32x4.pmin(e, i32x4.shuffle(e, e, 2, 3, 0, 1));
  return f32x4.pmin(f, i32x4.shuffle(f, f, 1, 0, 3, 2));
}

// @ts-ignore: decorator
@inline
export function largestOf32(ptr: usize): v128 {
  const a = f32x4.pmax(v128.load(ptr), v128.load(ptr, 16));
  const b = f32x4.pmax(v128.load(ptr, 32), v128.load(ptr, 48));
  const c = f32x4.pmax(v128.load(ptr, 64), v128.load(ptr, 80));
  const d = f32x4.pmax(v128.load(ptr, 96), v128.load(ptr, 112));
  const e = f32x4.pmax(f32x4.pmax(a, b), f32x4.pmax(c, d));
  const f = f32x4.pmax(e, i32x4.shuffle(e, e, 2, 3, 0, 1));
  return f32x4.pmax(f, i32x4.shuffle(f, f, 1, 0, 3, 2));
}

/** The value of largest magnitude of 32, the first of equals. */
// @ts-ignore: decorator
@inline
export function extremeOf32(ptr: usize): f32 {
  const least = smallestOf32(ptr);
  const most = largestOf32(ptr);
  const opposite = f32x4.neg(least);
  if (v128.any_true(f32x4.ne(most, opposite))) {
    // No branch: which it is cannot be guessed.
    return f32x4.extract_lane(v128.bitselect(most, least, f32x4.gt(most, opposite)), 0);
  }
  return extremeOf(ptr, 32);
}
