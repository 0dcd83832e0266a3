/**
 * Constants for all lanes, in the module's memory, where the optimizer cannot see them: V8 rebuilds
 * a v128 that is written in source at nearly every use.
 */

/** Constants by name: places in the table below. */
export const ONE: usize = 0;
export const MAGIC: usize = 4;
export const MAGIC_FRACTION: usize = 8;
export const MAGIC_MIDDLE: usize = 12;
export const MAGNITUDE: usize = 16;
export const SIGN: usize = 20;
export const ALMOST_HALF: usize = 24;
export const HALF: usize = 28;
export const LOW_BYTE: usize = 32;
export const TINY: usize = 36;
export const SMALLEST_RANGE: usize = 40;
export const LARGEST_RANGE: usize = 44;
export const RANGE_SHARE: usize = 48;
export const SIXTEEN: usize = 52;
export const TWO_POW_23: usize = 56;

function constants(): usize {
  return memory.data<u32>([
    0x3f800000, // 1
    0x4b400000, // 1.5 · 2^23
    0x007fffff,
    0x00400000,
    0x7fffffff,
    0x80000000,
    0x3effffff, // the float below 0.5
    0x3f000000, // 0.5
    0x000000ff,
    0x26901d7d, // 1e-15
    0x0d800000, // 2^-100
    0x71800000, // 2^100
    0x37800000, // 2^-16
    0x41800000, // 16
    0x4b000000, // 2^23
  ]);
}

/** A constant in every lane. */
// @ts-ignore: decorator
@inline
export function constant(name: usize): v128 {
  return v128.load32_splat(constants() + name);
}
