/** Codes of 4 bits as halves of 32, and fifth bits beside them. */

import { spreadBits } from "./signed-codes";

/** Byte j: code j of each. */
// @ts-ignore: decorator
@inline
export function packed(low: v128, high: v128): v128 {
  return v128.or(low, i16x8.shl(high, 4));
}

/** Four bytes of fifth bits, then 16 of nibbles. */
// @ts-ignore: decorator
@inline
export function storeFives(ptr: usize, low: v128, high: v128): void {
  const fifth = i8x16.splat(16);
  store<u16>(ptr, i8x16.bitmask(i8x16.eq(v128.and(low, fifth), fifth)));
  store<u16>(ptr + 2, i8x16.bitmask(i8x16.eq(v128.and(high, fifth), fifth)));
  const mask = i8x16.splat(15);
  v128.store(ptr, packed(v128.and(low, mask), v128.and(high, mask)), 4);
}

/** Sixteen fifth bits, each 16 or 0. */
// @ts-ignore: decorator
@inline
export function takeFifths(ptr: usize): v128 {
  return spreadBits(v128.load16_splat(ptr), 16);
}
