/** The section that transformers' BitsAndBytesConfig writes. */

import {
  JSON_NULL,
  type JsonObject,
  type JsonValue,
  jsonArray,
  jsonBoolean,
  jsonNumber,
  jsonObject,
  jsonString,
} from "../../formats/json/index.ts";
import type { FloatDtype } from "../../foundation/dtype.ts";
import { skipModules } from "../architectures/index.ts";
import type { Plan } from "../plan.ts";
import type { Treatment } from "../unit.ts";
import { matrixModules } from "./matrix-modules.ts";

/**
 * Every field that `BitsAndBytesConfig.to_dict` writes.
 *
 * @param main the treatment of most elements: a config can name only one
 * @param computeDtype of 4-bit products
 */
export function bitsandbytesConfig(
  plan: Plan,
  { coding }: Treatment,
  computeDtype: FloatDtype,
): JsonObject {
  const is4Bit = coding.family === "codebook";
  const quantStorage = is4Bit ? coding.quantStorage : "uint8";
  const doubleQuant = is4Bit && coding.doubleQuant;
  return jsonObject([
    ["_load_in_4bit", jsonBoolean(is4Bit)],
    ["_load_in_8bit", jsonBoolean(!is4Bit)],
    ["bnb_4bit_compute_dtype", jsonString(is4Bit ? computeDtype : "float32")],
    ["bnb_4bit_quant_storage", jsonString(quantStorage)],
    ["bnb_4bit_quant_type", jsonString(is4Bit ? coding.quantType : "fp4")],
    ["bnb_4bit_use_double_quant", jsonBoolean(doubleQuant)],
    ["llm_int8_enable_fp32_cpu_offload", jsonBoolean(false)],
    ["llm_int8_has_fp16_weight", jsonBoolean(false)],
    ["llm_int8_skip_modules", skipList(plan)],
    // transformers refuses an integer here: it must read 6.0.
    ["llm_int8_threshold", jsonNumber("6.0")],
    ["load_in_4bit", jsonBoolean(is4Bit)],
    ["load_in_8bit", jsonBoolean(!is4Bit)],
    ["quant_method", jsonString("bitsandbytes")],
  ]);
}

function skipList(plan: Plan): JsonValue {
  const { quantized, kept } = matrixModules(plan);
  const list = skipModules(plan.identity, quantized, kept);
  return list === null ? JSON_NULL : jsonArray(list.map(jsonString));
}
