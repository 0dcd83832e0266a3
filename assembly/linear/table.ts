/**
 * Where the levels of 4-bit codes lie: at a fixed address, which the host fills, so that a lookup
 * has it as an immediate offset. The module's own constants begin at 4096 (asconfig.json).
 */

import { LOW_NIBBLES, PAIRS } from "../lanes/levels4";

/** A table as lanes/levels4 describes it. */
export const LEVELS_TABLE: usize = 1024;
/** i8[16]: the levels as integers, for int8 activations. */
export const INTEGER_LEVELS: usize = 3584;

const PAIR_OFFSET: usize = LEVELS_TABLE + PAIRS;

/** The four levels of two bytes of codes. */
// @ts-ignore: decorator
@inline
export function levelsAt(codesPtr: usize): v128 {
  return levelsOf(load<u8>(codesPtr), load<u8>(codesPtr, 1));
}

// @ts-ignore: decorator
@inline
export function levelsOf(byte0: u8, byte1: u8): v128 {
  const first = v128.load64_zero((<usize>byte0) << 3, PAIR_OFFSET);
  return v128.load64_lane((<usize>byte1) << 3, first, 1, PAIR_OFFSET);
}

/** u8x16: 0x0f. */
// @ts-ignore: decorator
@inline
export function lowNibbles(): v128 {
  return v128.load(LEVELS_TABLE + LOW_NIBBLES);
}
