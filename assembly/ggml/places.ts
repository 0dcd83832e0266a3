/** The module's working memory, at fixed addresses below its own constants; free between calls. */

/** f32[64][4]: values of four sub-blocks in four lanes, sixteen or 32 vectors for each four. */
export const X: usize = 8192;
/** Likewise: their weights, and weights times values. */
export const W: usize = 9216;
export const WX: usize = 10240;
/** Likewise: codes that are tried, as f32. */
export const TRIED: usize = 11264;
/** u8[256]: the codes of a block. */
export const CODES: usize = 12288;
/** f32[16] each, by sub-block: scales and minima found, and what the codes searched were made of. */
export const SCALES: usize = 12544;
export const MINS: usize = 12608;
export const INVERSES: usize = 12672;
export const STARTS: usize = 12736;
