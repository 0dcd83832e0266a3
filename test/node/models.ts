/** Small models for tests, as transformers would save them. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { referenceFile, type TestTensor, weights } from "../checkpoint/safetensors-files.ts";

export interface LlamaSize {
  readonly layers?: number;
  readonly hidden?: number;
  readonly dtype?: "F32" | "BF16" | "F16";
  /** No lm_head.weight: it is the embedding. */
  readonly tied?: boolean;
}

/** A Llama's tensors with random weights, always the same ones. */
export function llamaTensors({
  layers = 2,
  hidden = 64,
  dtype = "BF16",
  tied = false,
}: LlamaSize = {}): TestTensor[] {
  let seed = 100;
  const tensor = (name: string, shape: readonly number[]) =>
    weights(name, shape, dtype, { seed: seed++ });
  const tensors = [tensor("model.embed_tokens.weight", [32, hidden])];
  for (let layer = 0; layer < layers; layer++) {
    const prefix = `model.layers.${layer}`;
    for (const name of ["q_proj", "k_proj", "v_proj", "o_proj"]) {
      tensors.push(tensor(`${prefix}.self_attn.${name}.weight`, [hidden, hidden]));
    }
    for (const name of ["gate_proj", "up_proj"]) {
      tensors.push(tensor(`${prefix}.mlp.${name}.weight`, [2 * hidden, hidden]));
    }
    tensors.push(tensor(`${prefix}.mlp.down_proj.weight`, [hidden, 2 * hidden]));
    tensors.push(tensor(`${prefix}.input_layernorm.weight`, [hidden]));
    tensors.push(tensor(`${prefix}.post_attention_layernorm.weight`, [hidden]));
  }
  tensors.push(tensor("model.norm.weight", [hidden]));
  if (!tied) tensors.push(tensor("lm_head.weight", [32, hidden]));
  return tensors;
}

export function llamaConfig(more: Readonly<Record<string, unknown>> = {}): string {
  const config = {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    tie_word_embeddings: false,
    torch_dtype: "bfloat16",
    ...more,
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

/** Writes a checkpoint of one file; `config` null leaves config.json out. */
export function writeModel(
  folder: string,
  tensors: readonly TestTensor[],
  config: string | null = llamaConfig(),
): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "model.safetensors"), referenceFile(tensors));
  if (config !== null) writeFileSync(join(folder, "config.json"), config);
  return folder;
}

/** Writes a checkpoint of several files and its index. */
export function writeShards(
  folder: string,
  shards: readonly (readonly TestTensor[])[],
  config: string | null = llamaConfig(),
): string {
  mkdirSync(folder, { recursive: true });
  const weightMap: Record<string, string> = {};
  for (const [i, tensors] of shards.entries()) {
    const name = shardName(i, shards.length);
    writeFileSync(join(folder, name), referenceFile(tensors));
    for (const tensor of tensors) weightMap[tensor.name] = name;
  }
  writeIndex(folder, weightMap);
  if (config !== null) writeFileSync(join(folder, "config.json"), config);
  return folder;
}

export function writeIndex(folder: string, weightMap: Readonly<Record<string, string>>): void {
  const index = { metadata: { total_size: 1 }, weight_map: weightMap };
  writeFileSync(join(folder, "model.safetensors.index.json"), JSON.stringify(index, null, 2));
}

export function shardName(index: number, count: number): string {
  const five = (n: number) => String(n).padStart(5, "0");
  return `model-${five(index + 1)}-of-${five(count)}.safetensors`;
}
