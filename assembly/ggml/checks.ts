/** What makes blocks no good: values that are not finite, and scales that are not. */

/** Index of the first NaN or infinity of f32[count], or −1. `count` is any. */
export function firstNonFinite(valuesPtr: usize, count: usize): isize {
  const infinity = i32x4.splat(0x7f800000);
  let at: usize = 0;
  for (const last = count & ~15; at < last; at += 16) {
    const ptr = valuesPtr + (at << 2);
    const a = v128.and(v128.load(ptr), infinity);
    const b = v128.and(v128.load(ptr, 16), infinity);
    const c = v128.and(v128.load(ptr, 32), infinity);
    const d = v128.and(v128.load(ptr, 48), infinity);
    const top = i32x4.max_s(i32x4.max_s(a, b), i32x4.max_s(c, d));
    if (v128.any_true(i32x4.eq(top, infinity))) break;
  }
  for (; at < count; at++) {
    if ((load<u32>(valuesPtr + (at << 2)) & 0x7f800000) === 0x7f800000) return at;
  }
  return -1;
}

/**
 * Index of the first of `count` 16-bit floats, `stride` bytes apart, that has the exponent of
 * infinity, or −1.
 */
export function firstInfinite(ptr: usize, stride: usize, count: usize, exponent: u32): isize {
  for (let i: usize = 0; i < count; i++, ptr += stride) {
    if (((<u32>load<u16>(ptr)) & exponent) === exponent) return i;
  }
  return -1;
}
