/** float16 beside blocks, one at a time, and the scalar arithmetic of scales. */

/** Nearest, ties to even; beyond 65504 infinity, NaN 0x7e00. */
// @ts-ignore: decorator
@inline
export function storeHalf(ptr: usize, x: f32): void {
  const bits = reinterpret<u32>(x);
  const doubled = bits << 1;
  const exponent = max(doubled & 0xff000000, 0x71000000);
  const scaled = abs(x) * reinterpret<f32>(0x77800000) * reinterpret<f32>(0x08800000);
  const sum = reinterpret<u32>(reinterpret<f32>((exponent >> 1) + 0x07800000) + scaled);
  const half = ((sum >> 13) & 0x7c00) + (sum & 0x0fff);
  store<u16>(ptr, doubled > 0xff000000 ? 0x7e00 : ((bits >> 16) & 0x8000) | half);
}

/**
 * Exact. Infinity and NaN stay such. Small halves, which scales of the K-quants often are, are converted:
 * shifted into place they would be subnormal f32, which processors multiply slowly.
 */
// @ts-ignore: decorator
@inline
export function loadHalf(ptr: usize): f32 {
  const half = <u32>load<u16>(ptr);
  const size = half & 0x7fff;
  let value: f32;
  if (size < 0x0400) value = <f32>(<i32>size) * reinterpret<f32>(0x33800000);
  else if (size < 0x7c00) value = reinterpret<f32>((size << 13) + 0x38000000);
  else value = reinterpret<f32>((size << 13) | 0x7f800000);
  return reinterpret<f32>(reinterpret<u32>(value) | ((half & 0x8000) << 16));
}

/** As ggml rounds: ties to even by adding 1.5 · 2^23, and beyond 2^22 whatever the bits spell. */
// @ts-ignore: decorator
@inline
export function nearestInt(x: f32): i32 {
  return (reinterpret<i32>(x + 12582912) & 0x7fffff) - 0x400000;
}

// @ts-ignore: decorator
@inline
export function inverse(x: f32): f32 {
  return x !== 0 ? <f32>1 / x : 0;
}

/** The value of largest magnitude, the first of equals, of f32[count]; 0 if there is none. */
export function extremeOf(ptr: usize, count: usize): f32 {
  let found: f32 = 0;
  for (const end = ptr + (count << 2); ptr < end; ptr += 4) {
    const value = load<f32>(ptr);
    if (abs(value) > abs(found)) found = value;
  }
  return found;
}

/** The largest above 0 of f32[count], or 0. */
export function largestOf(ptr: usize, count: usize): f32 {
  let found: f32 = 0;
  for (const end = ptr + (count << 2); ptr < end; ptr += 4) {
    const value = load<f32>(ptr);
    if (value > found) found = value;
  }
  return found;
}
