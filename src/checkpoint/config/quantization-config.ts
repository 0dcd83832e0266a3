/** The `quantization_config` of config.json, in the words of whoever is to load the checkpoint. */

import {
  dumpPython,
  type JsonObject,
  jsonNumber,
  jsonObject,
  jsonString,
  withMember,
} from "../../formats/json/index.ts";
import type { FloatDtype } from "../../foundation/dtype.ts";
import { elementCountOf } from "../../foundation/shape.ts";
import type { QuantType } from "../../schemes/registry.ts";
import { NATIVE_VERSION } from "../layouts/native-metadata.ts";
import type { Plan } from "../plan.ts";
import { isFloat } from "../rules.ts";
import { floatDtypeOf, type Treatment } from "../unit.ts";
import { bitsandbytesConfig } from "./bitsandbytes-config.ts";
import { compressedTensorsConfig } from "./compressed-tensors-config.ts";
import { configDtype, type ModelConfig } from "./model-config.ts";

/**
 * config.json of the quantized checkpoint: the given one with `quantization_config` set, or, with
 * none given, one that holds nothing else and must be completed by hand.
 *
 * @param computeDtype of bitsandbytes' 4-bit products; it does not change a stored byte.
 * @defaultValue the checkpoint's own dtype
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

function quantizationConfig(
  plan: Plan,
  config: ModelConfig | undefined,
  computeDtype: FloatDtype | undefined,
): JsonObject {
  const quantType = mainQuantType(plan);
  const treatment = plan.treatment(quantType) as Treatment;
  switch (treatment.layout.name) {
    case "bitsandbytes": {
      const dtype = computeDtype ?? configDtype(config) ?? mainDtype(plan);
      return bitsandbytesConfig(plan, treatment, dtype);
    }
    case "compressed-tensors":
      return compressedTensorsConfig(plan, quantType);
    case "native":
      // A method that no loader knows is refused by all: nobody takes codes for weights.
      return jsonObject([
        ["quant_method", jsonString("quantwise")],
        ["version", jsonNumber(String(NATIVE_VERSION))],
      ]);
  }
}

/** The quant type of most elements: a config can name only one. */
export function mainQuantType(plan: Plan): QuantType {
  const elements = new Map<QuantType, number>();
  for (const { entry, action } of plan.units()) {
    if (action === "copy") continue;
    elements.set(action, (elements.get(action) ?? 0) + elementCountOf(entry.shape));
  }
  return largestKey(elements) ?? plan.quantType;
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
