/**
 * `quantwise/schemes`: the level tables, as data.
 *
 * @example
 * import { createDynamicMap, NF4 } from "quantwise/schemes";
 * NF4.levels[15]; // 1
 * createDynamicMap({ signed: true }).length; // 256
 */

export { type AffineFormat, INT4, INT8, UINT4, UINT8 } from "./affine.ts";
export type { Codebook, CudaDecision, QuantMode } from "./codebook.ts";
export { createDynamicMap, dynamic8 } from "./dynamic8.ts";
export { E2M1, E4M3, E5M2, type FloatFormat, floatLevels } from "./float-format.ts";
export { FP4 } from "./fp4.ts";
export { createFp8Map, createLinearMap, custom8, type Fp8MapOptions } from "./maps8.ts";
export { NF4 } from "./nf4.ts";
export { QUANT_TYPES, type QuantType, SCHEMES, type Scheme } from "./registry.ts";
