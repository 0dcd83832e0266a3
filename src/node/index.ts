/** `quantwise/node`: the main job on files and directories. */

export {
  type DequantizeModelOptions,
  type DequantizeModelResult,
  dequantizeModel,
  type ExpandedTensor,
} from "./dequantize-model.ts";
export { createFileSink } from "./file-sink.ts";
export { type FileSource, openFileSource } from "./file-source.ts";
export { type ModelInput, openModel } from "./model-input.ts";
export { quantizeModel } from "./quantize-model.ts";
export {
  type OutputKind,
  outputKindOf,
  type PlannedJob,
  type QuantizeModelOptions,
  type QuantizeModelResult,
} from "./quantize-options.ts";
