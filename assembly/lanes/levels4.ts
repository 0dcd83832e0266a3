/** Where a 4-bit dequantization table keeps what. Built by the host from a codebook's levels. */

/** f32[16]: the levels. */
export const LEVELS: usize = 0;
/** u8[16] each: bytes 0 to 3 of the levels. */
export const LEVEL_BYTES: usize = 64;
/** u8x16: 0x0f. */
export const LOW_NIBBLES: usize = 128;
/** f32[256][2]: the levels of both nibbles of a byte, high nibble first. */
export const PAIRS: usize = 144;
/** u32, u32: absmax bits from which, and how far, all products are zero or normal halves. */
export const HALF_ABSMAX: usize = 2192;
export const HALF_ABSMAX_SPAN: usize = 2196;
