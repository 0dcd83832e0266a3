/** `quantwise/node`: the main job on files and directories. */

export {
  type ComparedReport,
  type CompareModelsOptions,
  compareModels,
  type ModelComparison,
} from "./compare-models.ts";
export type { LevelHistogram, SchemePoint } from "./compare-samples.ts";
export {
  type DequantizeModelOptions,
  type DequantizeModelResult,
  dequantizeModel,
  type ExpandedTensor,
} from "./dequantize-model.ts";
export { diagnose } from "./diagnose.ts";
export type { Diagnosis, Missing, Trial } from "./diagnosis.ts";
export { createFileSink } from "./file-sink.ts";
export { type FileSource, openFileSource } from "./file-source.ts";
export { type GgufInput, openGgufInput } from "./gguf-input.ts";
export { inspectModel } from "./inspect-model.ts";
export type {
  FoundScheme,
  InspectedModel,
  InspectedTensor,
  InspectModelOptions,
  MetadataValue,
} from "./inspected.ts";
export { type ModelInput, type OpenModelOptions, openModel } from "./model-input.ts";
export { type PlanSizesOptions, planSizes } from "./plan-sizes.ts";
export {
  type DequantizeGgufOptions,
  dequantizeGguf,
  type GgufOutputOptions,
  type QuantizeGgufOptions,
  quantizeGguf,
} from "./quantize-gguf.ts";
export { quantizeModel } from "./quantize-model.ts";
export {
  type OutputKind,
  outputKindOf,
  type PlannedJob,
  type QuantizeModelOptions,
  type QuantizeModelResult,
} from "./quantize-options.ts";
export type { FoundProblem } from "./verify-files.ts";
export {
  type VerifiedModel,
  type VerifyModelOptions,
  verifyModel,
} from "./verify-model.ts";
