/** Eight 16-bit integer keys from eight values of either input dtype. */

/** Bytes of one input element: f32, or bfloat16 as u16. */
// @ts-ignore: decorator
@inline
export function elementShift<T>(): usize {
  return isFloat<T>() ? 2 : 1;
}

/**
 * low16(round(x · scale + bias)) of eight consecutive values.
 *
 * `bias` is large enough that its unit in the last place is one key: the addition rounds, and the
 * low bits of the sum are the integer.
 */
// @ts-ignore: decorator
@inline
export function keys8<T>(ptr: usize, scale: v128, bias: v128, low: v128, high: v128): v128 {
  if (isFloat<T>()) {
    const k0 = f32x4.add(f32x4.mul(v128.load(ptr), scale), bias);
    const k1 = f32x4.add(f32x4.mul(v128.load(ptr, 16), scale), bias);
    return i16x8.narrow_i32x4_u(v128.and(k0, low), v128.and(k1, low));
  }
  const x = v128.load(ptr);
  const even = f32x4.add(f32x4.mul(i32x4.shl(x, 16), scale), bias);
  const odd = f32x4.add(f32x4.mul(v128.and(x, high), scale), bias);
  return v128.or(v128.and(even, low), i32x4.shl(odd, 16));
}
