/**
 * quantwise: neural-network weights to NF4, FP4 and LLM.int8, bit for bit as bitsandbytes, to INT4
 * and INT8 as ONNX, to MX, NVFP4 and FP8, in any JavaScript runtime.
 *
 * @example
 * import { dequantize, quantize } from "quantwise";
 * const q = quantize(weights, { quantType: "nf4", shape: [4096, 4096] });
 * const w = dequantize(q);
 */

export type { FloatDtype } from "./foundation/dtype.ts";
// What is thrown on purpose.
export {
  ArgumentError,
  FormatError,
  NonFiniteError,
  PlanError,
  QuantwiseError,
  StorageError,
  UnsupportedError,
} from "./foundation/errors.ts";
export type { KernelChoice, SimdBuild } from "./kernels/kernel-set.ts";
export type { KernelReport } from "./kernels/select.ts";
export type { QuantMode } from "./schemes/codebook.ts";
export type {
  QuantType,
  QuantType4,
  QuantTypeAffine,
  QuantTypeFloat,
} from "./schemes/registry.ts";
// Which kernels run here, and why.
export { kernels } from "./tensor/default-workspace.ts";
// Weights in memory: synchronous, no files.
export { type DequantizeOptions, dequantize } from "./tensor/dequantize.ts";
// Embeddings for vector search.
export {
  type BinaryEmbeddings,
  type CalibrationOptions,
  calibrationRanges,
  type DequantizeEmbeddingsOptions,
  type DotOptions,
  dequantizeEmbeddings,
  dotProducts,
  type EmbeddingPrecision,
  type EmbeddingRanges,
  type EmbeddingsBy,
  hammingDistances,
  type QuantizedEmbeddings,
  type QuantizeEmbeddingsOptions,
  quantizeEmbeddings,
  type ScalarEmbeddings,
  type SearchOptions,
} from "./tensor/embeddings/index.ts";
export type { FloatArray } from "./tensor/float-array.ts";
export type { CodingOptions } from "./tensor/options.ts";
// LLM.int8: which columns the activations ask to keep in 16 bits.
export { findOutlierColumns } from "./tensor/outliers.ts";
export {
  type QuantizedBy,
  type QuantizeOptions,
  type QuantizeTarget,
  quantize,
} from "./tensor/quantize.ts";
export { type QuantizeBatchOptions, quantizeBatch } from "./tensor/quantize-batch.ts";
export type {
  Granularity,
  NestedAbsmax,
  NestedScale,
  Quantized4Bit,
  QuantizedAffine,
  QuantizedDynamic8,
  QuantizedFloat,
  QuantizedInt8,
  QuantizedTensor,
  QuantStorage,
} from "./tensor/quantized-tensor.ts";
