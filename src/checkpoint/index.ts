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
  configDtype,
  identityOf,
  type ModelConfig,
  parseModelConfig,
} from "./config/model-config.ts";
export { mainQuantType, quantizedConfigText } from "./config/quantization-config.ts";
export { convertFiles, convertStream } from "./convert.ts";
export type { ConvertOptions, FileSink, WrittenFile } from "./convert-options.ts";
export type { LayoutName, OutputTensor, Role } from "./layouts/layout.ts";
export { ModelWeights } from "./model-weights.ts";
export {
  exactSizes,
  forwardSizes,
  type OutputFile,
  type OutputSizes,
  outputFiles,
  singleOutputFile,
} from "./output-plan.ts";
export { type ActionCounts, Plan, type PlanOptions } from "./plan.ts";
export {
  QuantizeSafetensorsStream,
  type QuantizeStreamOptions,
  quantizeForward,
} from "./quantize-stream.ts";
export { addToTotals, NO_TOTALS, type TensorReport, type Totals } from "./report.ts";
export {
  type Action,
  parseRule,
  type Rule,
  type Selection,
} from "./rules.ts";
export { DEFAULT_MAX_SHARD_BYTES, parseByteCount } from "./shards.ts";
export {
  type CountTable,
  type CountTableOptions,
  countTable,
  type ModelTable,
  type ModelTableOptions,
  modelTable,
  parseParameterCount,
  type RefusedRow,
  type SizeRow,
} from "./size-table/index.ts";
export type { SourceFile } from "./source-file.ts";
export type { Unit } from "./unit.ts";
