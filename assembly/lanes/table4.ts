/**
 * Where a 4-bit quantization table keeps what. The host builds it from a codebook and a mode
 * (src/kernels/wasm/tables/), so no level and no threshold is written down in a kernel.
 * All offsets are bytes; all v128 entries are 16-aligned.
 */

/** f32[16]: strict thresholds, ascending; the last is +∞. rank = number of thresholds below. */
export const THRESHOLDS: usize = 0;
/** u8[16]: code of each rank. */
export const ORDER: usize = 64;
/** u8x16: the code of NaN, in every lane. */
export const NAN_CODE: usize = 80;
/** f32: smallest absmax that is divided by (1e-38 in torch mode, else 0). */
export const SMALLEST_ABSMAX: usize = 96;
/** f32: key units per 1.0 of scaled value; mirrored: ±1, the sign that counts as positive. */
export const KEY_SCALE: usize = 100;
/** u32, u32: absmax bits from which, and how far, the keys are proven to decide. */
export const FAST_ABSMAX: usize = 104;
export const FAST_ABSMAX_SPAN: usize = 108;
/** f32x4: what rounds a key to an integer in the low bits of its f32. */
export const KEY_BIAS: usize = 112;
/** i32x4: 0x0000ffff and 0xffff0000. */
export const LOW_HALVES: usize = 128;
export const HIGH_HALVES: usize = 144;
/** u8x16 each: low and high byte of the threshold key of every cell. */
export const CELL_KEY_LOW: usize = 160;
export const CELL_KEY_HIGH: usize = 176;
/** Sloped: u8x16: key byte where the slope doubles, and how much it may add. */
export const KNEE: usize = 192;
export const KNEE_SPAN: usize = 208;
/** u8x16: 0x0f. */
export const LOW_NIBBLES: usize = 224;
/** i16x8: 0x1001, which joins the two nibbles of a lane in its high byte. */
export const NIBBLE_JOIN: usize = 240;
/** Mirrored: i16x8: added to |key| before the cell is cut off. */
export const CELL_BIAS: usize = 256;
/** Mirrored: u8x16: the last cell, and the bit that marks a positive value. */
export const LAST_CELL: usize = 272;
export const POSITIVE: usize = 288;
/** Mirrored: i16x8: sign bits that a bfloat16 input is flipped by. */
export const FLIP: usize = 304;
/** Mirrored: u8[16]: code of each cell rank, the positive ones from 8. */
export const MIRRORED_CODES: usize = 320;
