/** `quantwise/gguf`: GGUF files read and written, weights as ggml's blocks, mixtures, and the jobs. */

export * from "../formats/gguf/index.ts";
export { type ByteSource, bytesSource } from "../foundation/byte-source.ts";
export * from "../ggml/index.ts";
export {
  type GgufTensorReport,
  type RunGgufOptions,
  runGguf,
  type TensorBytes,
} from "./convert.ts";
export { FILE_TYPES, type FileType, GGUF_FILE_TYPES, type GgufFileType } from "./file-types.ts";
export { modelTensors, rangeReader } from "./job.ts";
export { chooseTypes, compareLlamaOrder, type MixtureOptions, type TypeChoice } from "./mixture.ts";
export { type ModelFacts, modelFactsOf } from "./model-facts.ts";
export {
  type GgufPlan,
  type GgufPlanOptions,
  type GgufStep,
  type ModelTensor,
  planDequantized,
  planGguf,
} from "./plan.ts";
export { QuantizeGgufStream, type QuantizeGgufStreamOptions } from "./quantize-stream.ts";
export { type GgufRule, type GgufSelection, parseGgufRule } from "./rules.ts";
