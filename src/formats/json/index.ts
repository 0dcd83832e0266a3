/** JSON as text: parsed without loss, written as Python writes it. */

export {
  type DumpOptions,
  dumpPython,
  MAX_JSON_TEXT_BYTES,
  parseJson,
  parseJsonObject,
} from "./json-text.ts";
export { pythonFloat, pythonString } from "./python.ts";
export {
  booleanOf,
  JSON_NULL,
  type JsonArray,
  type JsonBoolean,
  type JsonNull,
  type JsonNumber,
  type JsonObject,
  type JsonString,
  type JsonValue,
  jsonArray,
  jsonBoolean,
  jsonNumber,
  jsonObject,
  jsonString,
  memberOf,
  numberOf,
  stringOf,
  withMember,
  withoutMember,
} from "./tree.ts";
export { compareCodePoints, decodeUtf8, utf8ByteLength } from "./utf8.ts";
