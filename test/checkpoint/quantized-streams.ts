/** Runs files through `QuantizeSafetensorsStream`. */

import { readFileSync } from "node:fs";
import {
  QuantizeSafetensorsStream,
  type QuantizeStreamOptions,
} from "../../src/checkpoint/quantize-stream.ts";
import { collect, type Source, sourceOf } from "./streams.ts";

export const goldenFile = (name: string) =>
  new Uint8Array(readFileSync(new URL(`../vectors/checkpoints/${name}`, import.meta.url)));
export const SOURCE = goldenFile("llama_tiny_bf16/model.safetensors");
export const LLAMA = { modelType: "llama", architectures: ["LlamaForCausalLM"] };
export const TEXT = /\.quant_state\.bitsandbytes__/;

export function pipe(source: Source, options: QuantizeStreamOptions = {}) {
  return source.stream.pipeThrough(new QuantizeSafetensorsStream(options));
}

export function quantized(
  file: Uint8Array,
  options: QuantizeStreamOptions = {},
  chunkBytes = 4096,
): Promise<Uint8Array> {
  return collect(pipe(sourceOf(file, chunkBytes), options));
}
