/** What tensors are called in GGUF. */

import type { Family } from "./families.ts";

const GLOBAL_NAMES: ReadonlyMap<string, string> = new Map([
  ["model.embed_tokens.weight", "token_embd.weight"],
  ["lm_head.weight", "output.weight"],
  ["model.norm.weight", "output_norm.weight"],
]);

/** Modules of a layer; their tensors are `weight` and `bias`. */
const LAYER_MODULES: ReadonlyMap<string, string> = new Map([
  ["input_layernorm", "attn_norm"],
  ["self_attn.q_proj", "attn_q"],
  ["self_attn.k_proj", "attn_k"],
  ["self_attn.v_proj", "attn_v"],
  ["self_attn.o_proj", "attn_output"],
  ["self_attn.q_norm", "attn_q_norm"],
  ["self_attn.k_norm", "attn_k_norm"],
  ["mlp.gate_proj", "ffn_gate"],
  ["mlp.up_proj", "ffn_up"],
  ["mlp.down_proj", "ffn_down"],
]);

const PLAIN_NORMS: ReadonlyMap<string, string> = new Map([
  ["post_attention_layernorm", "ffn_norm"],
]);

const POST_NORMS: ReadonlyMap<string, string> = new Map([
  ["post_attention_layernorm", "post_attention_norm"],
  ["pre_feedforward_layernorm", "ffn_norm"],
  ["post_feedforward_layernorm", "post_ffw_norm"],
]);

/** Tensors that a loader computes itself. */
export function isDropped(name: string): boolean {
  return /\.rotary_emb\.inv_freq$|\.(attn|masked)_bias$|\.self_attn\.bias$/.test(name);
}

/** The GGUF name of a tensor, or undefined for one that the family does not have. */
export function ggufName(name: string, family: Family): string | undefined {
  const global = GLOBAL_NAMES.get(name);
  if (global !== undefined) return global;
  const [, layer, module = "", kind] =
    /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name) ?? [];
  if (layer === undefined) return undefined;
  const norms = family.hasPostNorms ? POST_NORMS : PLAIN_NORMS;
  const found = LAYER_MODULES.get(module) ?? norms.get(module);
  return found === undefined ? undefined : `blk.${layer}.${found}.${kind}`;
}
