/** The keys of a GGUF file, from config.json and tokenizer.json. */

import type { ModelConfig } from "../../checkpoint/config/model-config.ts";
import { type GgufEntry, GgufMetadata, ggufEntry } from "../../formats/gguf/index.ts";
import { PlanError, quoted } from "../../foundation/errors.ts";
import { ConfigNumbers } from "./config.ts";
import type { Family } from "./families.ts";

/** Everything but the tokenizer, in the order of llama.cpp's converter. */
export function modelMetadata(config: ModelConfig, family: Family, name: string): GgufMetadata {
  const numbers = new ConfigNumbers(config);
  const { architecture } = family;
  const u32 = (key: string, value: number) => ggufEntry(`${architecture}.${key}`, "uint32", value);
  const f32 = (key: string, value: number) => ggufEntry(`${architecture}.${key}`, "float32", value);
  const entries: GgufEntry[] = [
    ggufEntry("general.architecture", "string", architecture),
    ggufEntry("general.type", "string", "model"),
    ggufEntry("general.name", "string", name),
    u32("block_count", numbers.number("num_hidden_layers")),
    u32("context_length", numbers.number("max_position_embeddings")),
    u32("embedding_length", numbers.number("hidden_size")),
    u32("feed_forward_length", numbers.number("intermediate_size")),
    u32("attention.head_count", numbers.heads),
    u32("attention.head_count_kv", numbers.keyHeads),
    f32("rope.freq_base", numbers.maybe("rope_theta") ?? 10_000),
    f32("attention.layer_norm_rms_epsilon", numbers.number("rms_norm_eps")),
  ];
  if (family.writesKeyLength === "always" || numbers.maybe("head_dim") !== undefined) {
    entries.push(u32("attention.key_length", numbers.headDimension));
    entries.push(u32("attention.value_length", numbers.headDimension));
  }
  if (family.writesRopeDimensions) {
    entries.push(u32("vocab_size", numbers.number("vocab_size")));
    entries.push(u32("rope.dimension_count", numbers.headDimension));
  }
  const scaling = numbers.ropeScaling;
  if (scaling !== undefined && scaling.kind !== "llama3") {
    const factor = scaling.number("factor");
    if (!["linear", "yarn"].includes(scaling.kind) || factor === undefined) {
      throw new PlanError(
        `${config.name}: rope scaling ${quoted(scaling.kind)} is not known; copy the keys of another ` +
          "GGUF file of this model (metadataFrom, --metadata-from)",
      );
    }
    entries.push(ggufEntry(`${architecture}.rope.scaling.type`, "string", scaling.kind));
    entries.push(f32("rope.scaling.factor", factor));
    const original = scaling.number("original_max_position_embeddings");
    if (original !== undefined) entries.push(u32("rope.scaling.original_context_length", original));
  }
  return new GgufMetadata(entries);
}

/**
 * The keys of another GGUF file of the same model.
 *
 * @throws PlanError when it is of another architecture, or has other layers
 */
export function copiedMetadata(
  from: GgufMetadata,
  config: ModelConfig,
  { architecture }: Family,
): GgufMetadata {
  const found = from.string("general.architecture");
  const layers = from.integer(`${architecture}.block_count`);
  const expected = new ConfigNumbers(config).number("num_hidden_layers");
  if (found === architecture && layers === expected) return from;
  const what = `${quoted(found ?? "")} with ${layers ?? 0} layers`;
  throw new PlanError(
    `the metadata is that of ${what}, the model is ${quoted(architecture)} with ${expected}; ` +
      "give a GGUF file of this very model",
  );
}
