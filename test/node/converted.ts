/** Converts small models through `quantizeModel`, and reads what came out. */

import { join } from "node:path";
import { quantizeModel } from "../../src/node/quantize-model.ts";
import type { QuantizeModelOptions } from "../../src/node/quantize-options.ts";
import { type ReadFile, readFile, type TestTensor } from "../checkpoint/safetensors-files.ts";
import { filesBelow, temporaryFolder } from "../cli/quantwise.ts";
import { llamaConfig, writeModel } from "./models.ts";

export type Options = Omit<QuantizeModelOptions, "config"> & { readonly config?: string | null };

/** Writes the model, quantizes it and gives the output's files back. */
export async function converted(
  tensors: readonly TestTensor[],
  { config = llamaConfig(), ...options }: Options = {},
) {
  const folder = temporaryFolder();
  const input = writeModel(join(folder, "model"), tensors, config);
  const out = join(folder, "out");
  const result = await quantizeModel(input, out, options);
  const files = filesBelow(out);
  const model = files.get("model.safetensors");
  return {
    result,
    files,
    config: JSON.parse(files.get("config.json")?.toString() as string),
    configText: files.get("config.json")?.toString() as string,
    model: model === undefined ? undefined : readFile(model),
  };
}

/** The parsed `quant_state` of a 4-bit weight. */
export function stateOf(model: ReadFile | undefined, name: string, type = "nf4") {
  const text = model?.get(`${name}.quant_state.bitsandbytes__${type}`).bytes as Uint8Array;
  return JSON.parse(Buffer.from(text).toString());
}

/** A linear layer of every Llama. */
export const UP = "model.layers.0.mlp.up_proj.weight";
