/** Which type each tensor of a file gets: what llama-quantize would decide. */

import type { GgufTensorShape } from "../formats/gguf/index.ts";
import { compareCodePoints } from "../formats/json/index.ts";
import { BLOCK_LAYOUTS, type BlockType } from "../schemes/ggml/block-types.ts";
import { FILE_TYPES, type GgufFileType, isPlainType } from "./file-types.ts";
import { isKept } from "./kept.ts";
import {
  ATTENTION_OUTPUT,
  ATTENTION_OUTPUT_8_EXPERTS,
  ATTENTION_VALUE,
  FALLBACKS,
  FEED_FORWARD_DOWN,
  type Place,
  type Rules,
  TOKEN_EMBEDDING,
} from "./mixture-rules.ts";
import { layerOf, type ModelFacts } from "./model-facts.ts";

/** What is decided for a tensor. */
export interface TypeChoice {
  /** Undefined: it keeps the type that it has. */
  readonly type: BlockType | undefined;
  /** The type that the rules wanted, where rows of this length cannot have it. */
  readonly wanted?: BlockType;
}

export interface MixtureOptions {
  /** One type for all weights, without the rules of mixtures. @defaultValue false */
  readonly pure?: boolean | undefined;
}

type Shape = Omit<GgufTensorShape, "type">;

/** The order in which llama-quantize writes and counts: by layer, then by name, bytewise. */
export function compareLlamaOrder(
  a: { readonly name: string },
  b: { readonly name: string },
): number {
  return layerOf(a.name) - layerOf(b.name) || compareCodePoints(a.name, b.name);
}

/**
 * Decides for all tensors of a model.
 *
 * @param tensors in any order; counts advance in that of `compareLlamaOrder`
 * @returns the choices by name
 */
export function chooseTypes(
  tensors: readonly Shape[],
  model: ModelFacts,
  fileType: GgufFileType,
  { pure = false }: MixtureOptions = {},
): Map<string, TypeChoice> {
  const sorted = [...tensors].sort(compareLlamaOrder);
  const mixture = pure ? undefined : new Mixture(sorted, model, fileType);
  const { type } = FILE_TYPES[fileType];
  return new Map<string, TypeChoice>(
    sorted.map((tensor) => {
      if (isKept(tensor)) return [tensor.name, { type: undefined }];
      const wanted = mixture === undefined || isPlainType(type) ? type : mixture.typeOf(tensor);
      const possible = fittingType(wanted, tensor.dimensions[0] ?? 1);
      const choice = possible === wanted ? { type: wanted } : { type: possible, wanted };
      return [tensor.name, choice];
    }),
  );
}

/** The type, or what takes its place for rows of this length. */
export function fittingType(wanted: BlockType, rowLength: number): BlockType {
  const fits = (type: BlockType) => rowLength % BLOCK_LAYOUTS[type].blockValues === 0;
  if (fits(wanted)) return wanted;
  const fallback = FALLBACKS[wanted];
  return fallback !== undefined && fits(fallback) ? fallback : "F16";
}

/** The rules with their counters; tensors must be asked for in order. */
class Mixture {
  readonly #fileType: GgufFileType;
  readonly #type: BlockType;
  readonly #model: ModelFacts;
  readonly #isTied: boolean;
  readonly #valueCount: number;
  #values = 0;
  #downs = 0;

  constructor(tensors: readonly Shape[], model: ModelFacts, fileType: GgufFileType) {
    this.#fileType = fileType;
    this.#type = FILE_TYPES[fileType].type;
    this.#model = model;
    this.#isTied = !tensors.some(({ name }) => name === "output.weight");
    this.#valueCount = tensors.filter(({ name }) => isAttentionValue(name)).length;
  }

  typeOf({ name, dimensions }: Shape): BlockType {
    const { experts, layers } = this.#model;
    const isEmbedding = name === "token_embd.weight" || name === "per_layer_token_embd.weight";
    if (name === "output.weight" || (this.#isTied && isEmbedding)) {
      return this.#output(dimensions[0] ?? 1);
    }
    if (this.#fileType === "mxfp4_moe") return (dimensions[2] ?? 1) > 1 ? "MXFP4" : "Q8_0";
    if (name === "token_embd.weight") return this.#byRule(TOKEN_EMBEDDING);
    if (isAttentionValue(name)) return this.#attentionValue();
    if (name.includes("attn_k.weight")) return experts === 8 ? "Q8_0" : this.#type;
    if (name.includes("attn_q.weight")) return this.#type;
    if (name.includes("ffn_down")) {
      const counted = this.#downs++;
      const index = experts > 1 ? layerOf(name) : counted;
      return this.#byRule(FEED_FORWARD_DOWN, index, layers);
    }
    if (name.includes("attn_output.weight")) {
      return this.#byRule(experts === 8 ? ATTENTION_OUTPUT_8_EXPERTS : ATTENTION_OUTPUT);
    }
    return this.#type;
  }

  #output(rowLength: number): BlockType {
    if (this.#fileType === "mxfp4_moe" || this.#fileType === "q8_0") return "Q8_0";
    return rowLength % BLOCK_LAYOUTS[this.#type].blockValues === 0 ? "Q6_K" : "Q8_0";
  }

  #attentionValue(): BlockType {
    const type = this.#byRule(ATTENTION_VALUE, this.#values++, this.#valueCount);
    if (this.#model.experts === 8) return "Q8_0";
    return is70B(this.#model) && (type === "Q3_K" || type === "Q4_K") ? "Q5_K" : type;
  }

  #byRule(rules: Rules, index = 0, count = 0): BlockType {
    const { heads, keyHeads } = this.#model;
    const groups = keyHeads > 0 ? Math.floor(heads / keyHeads) : 0;
    const place: Place = { index, count, groups };
    const choices = rules[this.#fileType] ?? [];
    return choices.find(([, holds]) => holds(place))?.[0] ?? this.#type;
  }
}

function isAttentionValue(name: string): boolean {
  return ["attn_v.weight", "attn_qkv.weight", "attn_kv_b.weight"].some((part) =>
    name.includes(part),
  );
}

/** What llama.cpp calls a 70B model: its values are few, and worth more bits. */
function is70B({ architecture, layers, heads, keyHeads }: ModelFacts): boolean {
  if (layers !== 80) return false;
  return architecture === "llama" ? heads !== keyHeads : EIGHTY_IS_70B.includes(architecture);
}

/** Architectures whose models of 80 layers llama.cpp calls 70B, whatever their heads. */
const EIGHTY_IS_70B: readonly string[] = ["qwen2", "deci"];
