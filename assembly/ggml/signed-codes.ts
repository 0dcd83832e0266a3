/** From small whole numbers in bytes to f32, and what is common to reading blocks. */

/** f32[16] = i8[16] · scale. */
// @ts-ignore: decorator
@inline
export function storeProducts(ptr: usize, codes: v128, scale: v128): void {
  const low = i16x8.extend_low_i8x16_s(codes);
  const high = i16x8.extend_high_i8x16_s(codes);
  v128.store(ptr, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low)), scale));
  v128.store(ptr, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low)), scale), 16);
  v128.store(ptr, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high)), scale), 32);
  v128.store(ptr, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high)), scale), 48);
}

/** f32[16] = fl(i8[16] · scale) + addend. */
// @ts-ignore: decorator
@inline
export function storeSums(ptr: usize, codes: v128, scale: v128, addend: v128): void {
  const low = i16x8.extend_low_i8x16_s(codes);
  const high = i16x8.extend_high_i8x16_s(codes);
  const a = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low));
  const b = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low));
  const c = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high));
  const d = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high));
  v128.store(ptr, f32x4.add(f32x4.mul(a, scale), addend));
  v128.store(ptr, f32x4.add(f32x4.mul(b, scale), addend), 16);
  v128.store(ptr, f32x4.add(f32x4.mul(c, scale), addend), 32);
  v128.store(ptr, f32x4.add(f32x4.mul(d, scale), addend), 48);
}

/** The upper nibbles of bytes. */
// @ts-ignore: decorator
@inline
export function highNibbles(bytes: v128): v128 {
  return v128.and(i16x8.shr_u(bytes, 4), i8x16.splat(15));
}

/** Bits of 2 bytes that lie in every lane of `pair` as bytes of `value` or 0, lowest bit first. */
// @ts-ignore: decorator
@inline
export function spreadBits(pair: v128, value: i8): v128 {
  const bit = i8x16(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128);
  const bytes = i8x16.shuffle(pair, pair, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
  return v128.and(i8x16.eq(v128.and(bytes, bit), bit), i8x16.splat(value));
}

/** Bytes of the low bytes of sixteen i32 lanes. */
// @ts-ignore: decorator
@inline
export function lowBytes(a: v128, b: v128, c: v128, d: v128, mask: v128): v128 {
  return i8x16.narrow_i16x8_u(
    i16x8.narrow_i32x4_s(v128.and(a, mask), v128.and(b, mask)),
    i16x8.narrow_i32x4_s(v128.and(c, mask), v128.and(d, mask)),
  );
}
