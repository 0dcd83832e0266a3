/** What somebody should know who is about to use the output. */

import { quoted } from "../foundation/errors.ts";
import type { QuantType } from "../schemes/registry.ts";
import { layerRules } from "./architectures/index.ts";
import type { ModelConfig } from "./config/model-config.ts";
import type { Plan } from "./plan.ts";
import type { Treatment } from "./unit.ts";

/** @param output the kind of output: a directory gets a config.json */
export function warningsOf(
  plan: Plan,
  config: ModelConfig | undefined,
  output: "stdout" | "file" | "directory",
): string[] {
  const warnings: string[] = [];
  const { copy: _, ...quantizedCounts } = plan.counts();
  const types = Object.keys(quantizedCounts) as QuantType[];
  const quantized = types.length;
  const treatments = types.map((type) => plan.treatment(type) as Treatment);
  const layouts = new Set(treatments.map(({ layout }) => layout.name));
  if (quantized === 0) {
    const hint = config === undefined ? "; --config names the model's config.json" : "";
    warnings.push(
      `no tensor is selected, so everything is copied; --include or --rule select more${hint}`,
    );
  }
  for (const option of plan.unmatched) {
    warnings.push(`${option} matches no tensor of this model; quantwise inspect lists their names`);
  }
  if (config === undefined && output === "directory") {
    warnings.push(
      "the input has no config.json: the one that is written holds quantization_config alone and " +
        "is incomplete; add the model's own settings, or pass its file with --config",
    );
  }
  if (treatments.some(isSmallBlock)) {
    warnings.push("mistral.rs refuses block size 32; it loads 64 to 4096");
  }
  if (layouts.has("native")) {
    const hint = types.some((type) => type === "int4" || type === "int8")
      ? "; --format compressed-tensors stores int4 and int8 as vLLM and transformers load them"
      : "";
    warnings.push(`the native format is read by quantwise alone${hint}`);
  }
  if (layouts.has("compressed-tensors") && treatments.some(isAsymmetric)) {
    warnings.push(
      "transformers with compressed-tensors 0.18 to 0.20 loads asymmetric weights only with " +
        "CompressedTensorsConfig(dequantize=True); vLLM, and older versions, load them as they are",
    );
  }
  if (layouts.has("compressed-tensors") && treatments.length > 1 && layouts.size === 1) {
    const way = treatments.some(isAsymmetric) ? "--symmetric avoids that" : "load it as it is";
    warnings.push(
      "int4 and int8 in one checkpoint: transformers 5 with CompressedTensorsConfig(dequantize=True) " +
        `takes all for the main one; ${way}`,
    );
  }
  if (layouts.has("compressed-tensors") && hasFloatExperts(plan)) {
    warnings.push(
      "the experts stay in float, and transformers 5 loads them from compressed-tensors only when " +
        "they are quantized; --rule '**.experts.**=int4' does that",
    );
  }
  if (layouts.size > 1 || (layouts.has("bitsandbytes") && types.length > 1)) {
    warnings.push(
      "several quant types in one checkpoint: config.json can name only the main one, and " +
        "transformers loads only that",
    );
  }
  warnings.push(...tensorWarnings(plan));
  return warnings;
}

function tensorWarnings(plan: Plan): string[] {
  const layers = layerRules(plan.identity);
  const foreign: string[] = [];
  const bound: string[] = [];
  for (const { entry, action } of plan.units()) {
    const rank = entry.shape.length;
    if (action === "copy") {
      if (layers.isVersionBound(entry.name, rank)) bound.push(entry.name);
    } else if (layers.known && layers.kindOf(entry.name, rank) === undefined) {
      foreign.push(entry.name);
    }
  }
  const warnings: string[] = [];
  if (foreign.length > 0) {
    warnings.push(
      `${listed(foreign)}: no weight of a linear layer; transformers does not load it quantized`,
    );
  }
  if (bound.length > 0) {
    warnings.push(
      `${listed(bound)}: left in float, because only some transformers versions load it quantized`,
    );
  }
  return warnings;
}

function listed(names: readonly string[]): string {
  const more = names.length > 1 ? ` and ${names.length - 1} more` : "";
  return `${quoted(names[0] as string)}${more}`;
}

function isSmallBlock({ coding, layout }: Treatment): boolean {
  return layout.name === "bitsandbytes" && coding.family === "codebook" && coding.blockSize === 32;
}

/** Experts that are stored one by one, none of them quantized. */
function hasFloatExperts(plan: Plan): boolean {
  let isFound = false;
  for (const { entry, action } of plan.units()) {
    if (!/\.experts\.\d+\..*weight$/.test(entry.name)) continue;
    if (action !== "copy") return false;
    isFound = true;
  }
  return isFound;
}

function isAsymmetric({ coding }: Treatment): boolean {
  return coding.family === "affine" && !coding.symmetric;
}
