/** `quantwise/safetensors`: reading and writing safetensors over ranges and streams. */

export * from "./checkpoint-index.ts";
export { DTYPES, type Dtype, dtypeBits, dtypeRank, isDtype } from "./dtypes.ts";
export { encodeHeader, encodeHeaderChunks, headerByteLength } from "./header-encoder.ts";
export { HeaderParser, type HeaderParserOptions } from "./header-parser.ts";
export { MAX_HEADER_BYTES, WRITTEN_HEADER_BYTES_MAX } from "./limits.ts";
export {
  openSafetensors,
  readSafetensors,
  readTensor,
  type SafetensorsFile,
  type SafetensorsPart,
} from "./reader.ts";
export {
  type SafetensorsDataEvent,
  type SafetensorsEvent,
  type SafetensorsHeaderEvent,
  SafetensorsStreamParser,
  type SafetensorsStreamParserOptions,
} from "./stream-parser.ts";
export { type SizeProblem, tensorBytes } from "./tensor-size.ts";
export { type TensorEntry, TensorTable } from "./tensor-table.ts";
export {
  compareTensors,
  layoutTensors,
  type TensorBytes,
  type TensorToWrite,
  writeSafetensors,
} from "./writer.ts";
