/** Which tensors llama-quantize leaves as they are. */

import type { GgufTensorShape } from "../formats/gguf/index.ts";

/** Parts of the names of weights that are never quantized. */
const KEPT_PARTS: readonly string[] = [
  ...["_norm.weight", "ffn_gate_inp.weight", "ffn_gate_tid2eid.weight", "altup", "laurel"],
  ...["per_layer_model_proj", "ssm_conv1d", "shortconv.conv.weight"],
  ...["indexer.k_proj.weight", "indexer.q_proj.weight", "attn_rel_b.weight"],
  ...["time_mix_first.weight", "time_mix_w0.weight", "time_mix_w1.weight", "time_mix_w2.weight"],
  ...["time_mix_v0.weight", "time_mix_v1.weight", "time_mix_v2.weight"],
  ...["time_mix_a0.weight", "time_mix_a1.weight", "time_mix_a2.weight"],
  ...["time_mix_g1.weight", "time_mix_g2.weight", "time_mix_decay_w1.weight"],
  ...["time_mix_decay_w2.weight", "time_mix_lerp_fused.weight"],
  ...[".position_embd", "sam.pos_embd", "sam.neck.", "sam.net_", ".rel_pos", ".patch_embd"],
  ...[".patch_merger", "a.rvq.codebook", "mm.a.code_embd"],
];

/** Whole names of such weights. */
const KEPT_NAMES: readonly string[] = ["position_embd.weight", "token_types.weight"];

/** Whether a tensor keeps its type, whatever the file becomes. */
export function isKept({ name, dimensions }: Omit<GgufTensorShape, "type">): boolean {
  if (rankOf(dimensions) < 2 || !name.endsWith("weight")) return true;
  return KEPT_NAMES.includes(name) || KEPT_PARTS.some((part) => name.includes(part));
}

/** Dimensions, without those of 1 at the end. */
function rankOf(dimensions: readonly number[]): number {
  return dimensions.findLastIndex((n) => n !== 1) + 1;
}
