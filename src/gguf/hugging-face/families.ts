/** The families of models whose checkpoints become GGUF files, as llama.cpp's converter does it. */

import type { ModelConfig } from "../../checkpoint/config/model-config.ts";
import { identityOf } from "../../checkpoint/config/model-config.ts";
import { PlanError } from "../../foundation/errors.ts";

export interface Family {
  /** `general.architecture`, and the prefix of the model's keys. */
  readonly architecture: string;
  /** Rows of q and k are reordered: the rotary embedding pairs neighbours, not halves. */
  readonly permutes: boolean;
  /** Norms are stored without the one that the model adds. */
  readonly addsOne: boolean;
  /** Norms behind attention and feed-forward too, which changes their names. */
  readonly hasPostNorms: boolean;
  /** Keys that only this family has. */
  readonly writesRopeDimensions: boolean;
  readonly writesKeyLength: "always" | "if given";
  /** Its vocabulary is SentencePiece's, which only another GGUF file brings along. */
  readonly needsMetadata: boolean;
}

const LLAMA: Family = {
  architecture: "llama",
  permutes: true,
  addsOne: false,
  hasPostNorms: false,
  writesRopeDimensions: true,
  writesKeyLength: "if given",
  needsMetadata: false,
};

const QWEN2: Family = {
  ...LLAMA,
  architecture: "qwen2",
  permutes: false,
  writesRopeDimensions: false,
};

const GEMMA: Family = {
  ...QWEN2,
  architecture: "gemma",
  addsOne: true,
  needsMetadata: true,
};

/** By the first of config.json's `architectures`. */
const FAMILIES: ReadonlyMap<string, Family> = new Map([
  ["LlamaForCausalLM", LLAMA],
  ["MistralForCausalLM", LLAMA],
  ["Qwen2ForCausalLM", QWEN2],
  ["Qwen3ForCausalLM", { ...QWEN2, architecture: "qwen3", writesKeyLength: "always" }],
  ["GemmaForCausalLM", GEMMA],
  ["Gemma2ForCausalLM", { ...GEMMA, architecture: "gemma2", hasPostNorms: true }],
  ["Gemma3ForCausalLM", { ...GEMMA, architecture: "gemma3", hasPostNorms: true }],
]);

/** @throws PlanError for another family, or without a config.json */
export function familyOf(config: ModelConfig | undefined): Family {
  const [name] = identityOf(config).architectures;
  const family = FAMILIES.get(name ?? "");
  if (family !== undefined) return family;
  const found = name === undefined ? "no config.json names an architecture" : `it is a ${name}`;
  throw new PlanError(
    `${config?.name ?? "the model"}: ${found}; only ${[...FAMILIES.keys()].join(", ")} become GGUF. ` +
      "Make an F16 file with llama.cpp's convert_hf_to_gguf.py, and quantize that",
  );
}
