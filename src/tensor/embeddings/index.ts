/** Embeddings for vector search: quantize, calibrate, expand, score. */

export {
  type DequantizeEmbeddingsOptions,
  dequantizeEmbeddings,
  type QuantizeEmbeddingsOptions,
  quantizeEmbeddings,
} from "./quantize.ts";
export { type CalibrationOptions, calibrationRanges, type EmbeddingRanges } from "./ranges.ts";
export type {
  BinaryEmbeddings,
  EmbeddingPrecision,
  EmbeddingsBy,
  QuantizedEmbeddings,
  ScalarEmbeddings,
} from "./record.ts";
export { type DotOptions, dotProducts, hammingDistances, type SearchOptions } from "./search.ts";
