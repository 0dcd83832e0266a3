/** `quantwise/checkpoint`: rules, plan and conversion of whole models, without a file system. */

export { newWorkspace } from "../tensor/default-workspace.ts";
export type { Workspace } from "../tensor/workspace.ts";
export {
  type LayerRules,
  layerRules,
  type ModelIdentity,
  skipModules,
} from "./architectures/index.ts";
export { ByteStream } from "./byte-stream.ts";
export {
  type ConvertOptions,
  convertFiles,
  convertStream,
  type FileSink,
  type WrittenFile,
} from "./convert.ts";
export type { OutputTensor, Role } from "./layouts/layout.ts";
export { configDtype, identityOf, type ModelConfig, parseModelConfig } from "./model-config.ts";
export {
  exactSizes,
  forwardSizes,
  type OutputFile,
  type OutputSizes,
  outputFiles,
  singleOutputFile,
} from "./output-plan.ts";
export { Plan, type PlanOptions } from "./plan.ts";
export { mainQuantType, quantizedConfigText } from "./quantization-config.ts";
export {
  QuantizeSafetensorsStream,
  type QuantizeStreamOptions,
  quantizeForward,
} from "./quantize-stream.ts";
export { addToTotals, NO_TOTALS, type TensorReport, type Totals } from "./report.ts";
export {
  type Action,
  CHECKPOINT_QUANT_TYPES,
  type CheckpointQuantType,
  parseRule,
  type Rule,
  type Selection,
} from "./rules.ts";
export { DEFAULT_MAX_SHARD_BYTES, parseByteCount } from "./shards.ts";
export type { SourceFile } from "./source-file.ts";
export type { Unit } from "./unit.ts";
