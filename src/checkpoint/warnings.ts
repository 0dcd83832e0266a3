/** What somebody should know who is about to use the output. */

import { quoted } from "../foundation/errors.ts";
import { layerRules } from "./architectures/index.ts";
import type { ModelConfig } from "./model-config.ts";
import type { Plan } from "./plan.ts";

/** @param output the kind of output: a directory gets a config.json */
export function warningsOf(
  plan: Plan,
  config: ModelConfig | undefined,
  output: "stdout" | "file" | "directory",
): string[] {
  const warnings: string[] = [];
  const counts = plan.counts();
  const fourBit = counts.nf4 + counts.fp4;
  const quantized = fourBit + counts["llm-int8"];
  const kinds = [counts.nf4, counts.fp4, counts["llm-int8"]].filter((count) => count > 0).length;
  if (quantized === 0) {
    const hint = config === undefined ? "; --config names the model's config.json" : "";
    warnings.push(
      `no tensor is selected, so everything is copied; --include or --rule select more${hint}`,
    );
  }
  if (config === undefined && output === "directory") {
    warnings.push(
      "the input has no config.json: the one that is written holds quantization_config alone and " +
        "is incomplete; add the model's own settings, or pass its file with --config",
    );
  }
  if (fourBit > 0 && plan.coding.blockSize === 32) {
    warnings.push("mistral.rs refuses block size 32; it loads 64 to 4096");
  }
  if (kinds > 1) {
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
