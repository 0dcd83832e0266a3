/** The export list. Argument orders and the memory contract: README.md. */

export {
  dequantizeAffineColumns,
  dequantizeAffineRuns,
} from "./kernels/affine/dequantize-affine";
export { affineParameters, symmetricScales } from "./kernels/affine/parameters";
export { quantizeAffineColumns, quantizeAffineRuns } from "./kernels/affine/quantize-affine";
export { rangeColumns, rangeRuns } from "./kernels/affine/range";
export { dequantizeCode4ToF32 } from "./kernels/codebook/dequantize-code4-to-f32";
export {
  dequantizeCode4ToBf16,
  dequantizeCode4ToF16,
} from "./kernels/codebook/dequantize-code4-to-half";
export { dequantizeCode8ToF32 } from "./kernels/codebook/dequantize-code8-to-f32";
export {
  quantizeBf16ToCode4Exact,
  quantizeF32ToCode4Exact,
} from "./kernels/codebook/quantize-code4-exact";
export {
  quantizeBf16ToCode4Mirrored,
  quantizeF32ToCode4Mirrored,
} from "./kernels/codebook/quantize-code4-mirrored";
export {
  quantizeBf16ToCode4Sloped,
  quantizeF32ToCode4Sloped,
} from "./kernels/codebook/quantize-code4-sloped";
export { quantizeF32ToCode8, quantizeF32ToCode8Searched } from "./kernels/codebook/quantize-code8";
export { narrowF32ToBf16 } from "./kernels/convert/narrow-f32-to-bf16";
export { narrowF32ToF16 } from "./kernels/convert/narrow-f32-to-f16";
export { widenBf16ToF32 } from "./kernels/convert/widen-bf16-to-f32";
export { widenF16ToF32 } from "./kernels/convert/widen-f16-to-f32";
export { columnExtremesF32 } from "./kernels/embeddings/column-extremes";
export { dequantizeColumns8ToF32 } from "./kernels/embeddings/dequantize-columns";
export { dotF32Code8 } from "./kernels/embeddings/dot-codes";
export { hammingDistances } from "./kernels/embeddings/hamming-distances";
export { packSignsF32 } from "./kernels/embeddings/pack-signs";
export { quantizeF32ToColumns8 } from "./kernels/embeddings/quantize-columns";
export { dequantizeFloatColumns, dequantizeFloatRuns } from "./kernels/float/dequantize-float";
export { dequantizeFloat4Runs } from "./kernels/float/dequantize-float4";
export { quantizeFloatColumns, quantizeFloatRuns } from "./kernels/float/quantize-float";
export { packNibbles } from "./kernels/nibbles/pack-nibbles";
export { unpackNibbles } from "./kernels/nibbles/unpack-nibbles";
export { dequantizeInt8ToF32 } from "./kernels/rows/dequantize-int8-to-f32";
export { quantizeF16ToInt8 } from "./kernels/rows/quantize-f16-to-int8";
export { absmaxBf16, absmaxF16, absmaxF32 } from "./kernels/statistics/absmax";
export { subtractF32, sumF32 } from "./kernels/statistics/sum";

/** Bumped whenever an exported name, its argument order or its meaning changes. */
export function abiVersion(): u32 {
  return 3;
}

/** Whether this build uses relaxed SIMD. */
export function isRelaxed(): bool {
  return ASC_FEATURE_RELAXED_SIMD;
}

/** First byte that the host may use; below it lie the module's own constants. */
export function heapBase(): usize {
  return __heap_base;
}
