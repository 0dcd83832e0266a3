/** The `quantization_config` of config.json, as transformers' BitsAndBytesConfig writes it. */

import {
  dumpPython,
  JSON_NULL,
  type JsonObject,
  type JsonValue,
  jsonArray,
  jsonBoolean,
  jsonNumber,
  jsonObject,
  jsonString,
  withMember,
} from "../formats/json/index.ts";
import type { FloatDtype } from "../foundation/dtype.ts";
import { elementCountOf } from "../foundation/shape.ts";
import { skipModules } from "./architectures/index.ts";
import { configDtype, type ModelConfig } from "./model-config.ts";
import type { Plan } from "./plan.ts";
import { isFloat } from "./rules.ts";
import { floatDtypeOf } from "./unit.ts";

/**
 * config.json of the quantized checkpoint: the given one with `quantization_config` set, or, with
 * none given, one that holds nothing else and must be completed by hand.
 *
 * @param computeDtype of 4-bit products; it does not change a stored byte. @defaultValue the
 * checkpoint's own dtype
 * @throws PlanError when no skip list can tell loaders what stayed in float
 */
export function quantizedConfigText(
  plan: Plan,
  config: ModelConfig | undefined,
  computeDtype?: FloatDtype,
): string {
  const section = quantizationConfig(plan, config, computeDtype);
  const json = withMember(config?.json ?? jsonObject([]), "quantization_config", section);
  return `${dumpPython(json, { indent: 2, sortKeys: true })}\n`;
}

/** Every field that `BitsAndBytesConfig.to_dict` writes. */
function quantizationConfig(
  plan: Plan,
  config: ModelConfig | undefined,
  computeDtype: FloatDtype | undefined,
): JsonObject {
  const quantType = mainQuantType(plan);
  const is4Bit = quantType !== "llm-int8";
  const { doubleQuant, quantStorage } = plan.coding;
  const dtype = computeDtype ?? configDtype(config) ?? mainDtype(plan);
  return jsonObject([
    ["_load_in_4bit", jsonBoolean(is4Bit)],
    ["_load_in_8bit", jsonBoolean(!is4Bit)],
    ["bnb_4bit_compute_dtype", jsonString(is4Bit ? dtype : "float32")],
    ["bnb_4bit_quant_storage", jsonString(is4Bit ? quantStorage : "uint8")],
    ["bnb_4bit_quant_type", jsonString(is4Bit ? quantType : "fp4")],
    ["bnb_4bit_use_double_quant", jsonBoolean(is4Bit && doubleQuant)],
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
  const quantized: string[] = [];
  const kept: string[] = [];
  for (const { entry, action } of plan.units()) {
    const { name, dtype, shape } = entry;
    if (!name.endsWith(".weight")) continue;
    const module = name.slice(0, -".weight".length);
    if (action !== "copy") quantized.push(module);
    else if (shape.length === 2 && isFloat(dtype)) kept.push(module);
  }
  const list = skipModules(plan.identity, quantized, kept);
  return list === null ? JSON_NULL : jsonArray(list.map(jsonString));
}

/** The quant type of most elements: a config can name only one. */
export function mainQuantType(plan: Plan): "nf4" | "fp4" | "llm-int8" {
  const elements = new Map<string, number>();
  for (const { entry, action } of plan.units()) {
    if (action === "copy") continue;
    elements.set(action, (elements.get(action) ?? 0) + elementCountOf(entry.shape));
  }
  return (largestKey(elements) as "nf4" | "fp4" | "llm-int8" | undefined) ?? plan.quantType;
}

/** The dtype of most quantized elements, or of most floats where none is quantized. */
function mainDtype(plan: Plan): FloatDtype {
  const quantized = new Map<FloatDtype, number>();
  const floats = new Map<FloatDtype, number>();
  for (const { entry, action } of plan.units()) {
    if (!isFloat(entry.dtype)) continue;
    const dtype = floatDtypeOf(entry);
    const count = elementCountOf(entry.shape);
    floats.set(dtype, (floats.get(dtype) ?? 0) + count);
    if (action !== "copy") quantized.set(dtype, (quantized.get(dtype) ?? 0) + count);
  }
  return largestKey(quantized) ?? largestKey(floats) ?? "float32";
}

function largestKey<Key>(counts: ReadonlyMap<Key, number>): Key | undefined {
  let best: Key | undefined;
  for (const [key, count] of counts) {
    if (best === undefined || count > (counts.get(best) as number)) best = key;
  }
  return best;
}
