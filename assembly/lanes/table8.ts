/** Where an 8-bit quantization table keeps what. Built by the host from a codebook and a mode. */

/** f32[256]: strict thresholds, ascending; the last is +∞. code = number of thresholds below. */
export const THRESHOLDS: usize = 0;
/** u8[8192]: thresholds below every value of a cell; a cell holds at most one more. */
export const CELL_BASES: usize = 1024;
/** f32: smallest absmax that is divided by. u32: the code of NaN. */
export const SMALLEST_ABSMAX: usize = 9216;
export const NAN_CODE: usize = 9220;
/** u32, u32: absmax bits from which, and how far, no scaled value can be NaN. */
export const FAST_ABSMAX: usize = 9224;
export const FAST_ABSMAX_SPAN: usize = 9228;
/** i16x8 each: 0x7fff; where cells begin; the last cell; the bit of negative cells. */
export const MAGNITUDE: usize = 9232;
export const FIRST_CELL: usize = 9248;
export const LAST_CELL: usize = 9264;
export const NEGATIVE: usize = 9280;
