/** The section that compressed-tensors' QuantizationConfig writes for "pack-quantized". */

import {
  JSON_NULL,
  type JsonObject,
  jsonArray,
  jsonBoolean,
  jsonNumber,
  jsonObject,
  jsonString,
} from "../../formats/json/index.ts";
import type { QuantType } from "../../schemes/registry.ts";
import { SCHEMES } from "../../schemes/registry.ts";
import type { AffineCoding } from "../../tensor/options.ts";
import { floatModules, moduleNames } from "../architectures/index.ts";
import type { Plan } from "../plan.ts";
import { matrixModules } from "./matrix-modules.ts";

const FORMAT = "pack-quantized";

/**
 * One group for every quant type: the main one for all Linear modules, the others by name, which
 * goes before class. Modules that stay in float are ignored by name. Names are compared with those of
 * the loaded model (transformers) or with stored ones (vLLM): where they differ, both are listed.
 *
 * Source: compressed-tensors 0.20.0, `quantization/quant_config.py`.
 *
 * @param main the quant type of most elements
 */
export function compressedTensorsConfig(plan: Plan, main: QuantType): JsonObject {
  const modules = new Map<QuantType, string[]>([[main, []]]);
  for (const { entry, action, treatment } of plan.units()) {
    if (action === "copy" || treatment?.layout.name !== "compressed-tensors") continue;
    const names = modules.get(action) ?? [];
    names.push(entry.name.slice(0, -".weight".length));
    modules.set(action, names);
  }
  const namesOf = moduleNames(plan.identity);
  const groups = [...modules].map(([quantType, names], index) => {
    const targets = quantType === main ? ["Linear"] : names.flatMap(namesOf);
    const coding = plan.treatment(quantType)?.coding as AffineCoding;
    return [`group_${index}`, groupOf(targets, coding)] as const;
  });
  const { quantized, kept } = matrixModules(plan);
  const ignore = floatModules(plan.identity, quantized, kept);
  return jsonObject([
    ["config_groups", jsonObject(groups)],
    ["format", jsonString(FORMAT)],
    ["global_compression_ratio", JSON_NULL],
    ["ignore", jsonArray(ignore.map(jsonString))],
    ["kv_cache_scheme", JSON_NULL],
    ["quant_method", jsonString("compressed-tensors")],
    // Without it transformers starts from random weights.
    ["quantization_status", jsonString("compressed")],
  ]);
}

function groupOf(targets: readonly string[], coding: AffineCoding): JsonObject {
  const { quantType, granularity, blockSize, symmetric } = coding;
  const isGroup = granularity === "block";
  return jsonObject([
    ["format", jsonString(FORMAT)],
    ["input_activations", JSON_NULL],
    ["output_activations", JSON_NULL],
    ["targets", jsonArray(targets.map(jsonString))],
    [
      "weights",
      jsonObject([
        ["dynamic", jsonBoolean(false)],
        ["group_size", isGroup ? jsonNumber(String(blockSize)) : JSON_NULL],
        ["num_bits", jsonNumber(String(SCHEMES[quantType].bits))],
        ["strategy", jsonString(isGroup ? "group" : "channel")],
        ["symmetric", jsonBoolean(symmetric)],
        ["type", jsonString("int")],
      ]),
    ],
  ]);
}
