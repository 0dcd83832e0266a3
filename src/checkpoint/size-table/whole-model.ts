/**
 * A whole model by its published shape, for those who ask with a number: what stays in float weighs
 * too.
 */

import { encodeHeader, HeaderParser, type TensorEntry } from "../../formats/safetensors/index.ts";
import { elementCountOf } from "../../foundation/shape.ts";
import { parseModelConfig } from "../config/model-config.ts";
import { type ModelTable, type ModelTableOptions, modelTable } from "./model-table.ts";

interface Llama {
  readonly name: string;
  readonly vocabulary: number;
  readonly hidden: number;
  readonly layers: number;
  readonly mlp: number;
  /** The counts that people mean by its name, as a range. */
  readonly counts: readonly [number, number];
}

/** Its config.json: vocab_size, hidden_size, num_hidden_layers, intermediate_size; no biases. */
export const LLAMA_2_7B: Llama = {
  name: "Llama-2-7B",
  vocabulary: 32_000,
  hidden: 4096,
  layers: 32,
  mlp: 11_008,
  counts: [6.7e9, 7e9],
};

const CONFIG = { architectures: ["LlamaForCausalLM"], model_type: "llama" };

export interface WholeModel extends ModelTable {
  readonly name: string;
  /** Its weights by what they are. */
  readonly parameters: number;
  /** How the figures come about. */
  readonly shape: string;
}

/** The well-known model of about so many weights, in bfloat16. */
export function wholeModel(parameters: number, options: ModelTableOptions): WholeModel | undefined {
  const llama = LLAMA_2_7B;
  const [fewest, most] = llama.counts;
  if (parameters < fewest || parameters > most) return undefined;
  const entries = tensorsOf(llama);
  const parser = new HeaderParser({ file: llama.name });
  parser.push(encodeHeader(entries));
  const config = parseModelConfig(new TextEncoder().encode(JSON.stringify(CONFIG)), llama.name);
  const files = [{ name: llama.name, table: parser.finish() }];
  const table = modelTable(files, config, "directory", options);
  const { hidden, layers, mlp, vocabulary } = llama;
  return {
    ...table,
    name: llama.name,
    parameters: table.source.keptWeights,
    shape:
      `${layers} layers of 4 × ${hidden} × ${hidden} + 3 × ${hidden} × ${mlp} weights, quantized; ` +
      `embeddings and output head of ${vocabulary} × ${hidden} and ${2 * layers + 1} norms of ` +
      `${hidden}, left in bfloat16`,
  };
}

function tensorsOf({ vocabulary, hidden, layers, mlp }: Llama): TensorEntry[] {
  const shapes: [name: string, ...shape: number[]][] = [
    ["lm_head.weight", vocabulary, hidden],
    ["model.embed_tokens.weight", vocabulary, hidden],
    ["model.norm.weight", hidden],
  ];
  for (let layer = 0; layer < layers; layer++) {
    const prefix = `model.layers.${layer}`;
    for (const name of ["q_proj", "k_proj", "v_proj", "o_proj"]) {
      shapes.push([`${prefix}.self_attn.${name}.weight`, hidden, hidden]);
    }
    shapes.push(
      [`${prefix}.mlp.gate_proj.weight`, mlp, hidden],
      [`${prefix}.mlp.up_proj.weight`, mlp, hidden],
      [`${prefix}.mlp.down_proj.weight`, hidden, mlp],
      [`${prefix}.input_layernorm.weight`, hidden],
      [`${prefix}.post_attention_layernorm.weight`, hidden],
    );
  }
  let begin = 0;
  return shapes.map(([name, ...shape]) => {
    const end = begin + 2 * elementCountOf(shape);
    const entry: TensorEntry = { name, dtype: "BF16", shape, begin, end };
    begin = end;
    return entry;
  });
}
