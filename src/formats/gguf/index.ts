/** GGUF files: read over ranges and streams, and written. */

export {
  ALIGNMENT_KEY,
  type GgufHeader,
  GgufHeaderParser,
  type GgufHeaderParserOptions,
} from "./header-parser.ts";
export { MAX_HEADER_BYTES } from "./limits.ts";
export { GgufMetadata } from "./metadata.ts";
export { type GgufFile, openGguf } from "./reader.ts";
export { joinParts, partCountOf, partName, partNames, SPLIT_KEYS } from "./split.ts";
export { type GgufPart, readGguf } from "./stream.ts";
export {
  aligned,
  type GgufTensor,
  type GgufTensorShape,
  ggufElements,
  ggufTensorBytes,
} from "./tensor.ts";
export { GGUF_TYPES, type GgufType, ggufType, ggufTypeOf } from "./types.ts";
export {
  type GgufEntry,
  type GgufScalar,
  type GgufValue,
  type GgufValueType,
  ggufArrayOf,
  ggufEntry,
  ggufValue,
  VALUE_TYPES,
} from "./values.ts";
export { encodeGgufHeader, type GgufLayout, ggufHeaderBytes, layoutGguf } from "./writer.ts";
