import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  ModelWeights,
  parseModelConfig,
  QuantizeSafetensorsStream,
} from "../../src/checkpoint/index.ts";
import { openSafetensors, type SafetensorsFile } from "../../src/formats/safetensors/index.ts";
import { bytesSource } from "../../src/foundation/byte-source.ts";
import { ArgumentError, dequantize, quantize } from "../../src/index.ts";

const vectors = new URL("../vectors/", import.meta.url);
const LAYER = "model.layers.0.mlp.up_proj.weight";

async function opened(path: string): Promise<{ file: SafetensorsFile; weights: ModelWeights }> {
  const read = (name: string) => readFileSync(new URL(`${path}/${name}`, vectors));
  const file = await openSafetensors(bytesSource(read("model.safetensors")));
  const config = parseModelConfig(read("config.json"), "config.json");
  return { file, weights: await ModelWeights.open([file], config) };
}

describe("the weights of a checkpoint", () => {
  it.each([
    ["checkpoints/llama_tiny_nf4", "nf4"],
    ["checkpoints/llama_tiny_nf4_dq", "nf4"],
    ["checkpoints/llama_tiny_fp4", "fp4"],
    ["checkpoints/llama_tiny_int8", "llm-int8"],
    ["compressed-tensors/llama_tiny_int4_sym_group32", "int4"],
  ])("%s: records that decode to what quantizing gave", async (path, quantType) => {
    const { weights } = await opened(path);
    const plain = await opened("checkpoints/llama_tiny_bf16");
    expect([...weights.names].sort()).toEqual([...plain.weights.names].sort());
    expect(weights.isQuantized(LAYER)).toBe(true);
    const record = await weights.record(LAYER);
    expect(record.quantType).toBe(quantType);
    const floats = await weights.floats(LAYER);
    expect(floats).toEqual(dequantize(record));
    const original = await plain.weights.floats(LAYER);
    expect(floats.length).toBe(original.length);
    const largest = Math.max(...original.map(Math.abs));
    for (const [i, value] of floats.entries()) {
      expect(Math.abs(value - (original[i] as number))).toBeLessThan(largest / 3);
    }
  });

  it("are the records that quantize gives, bytes and all", async () => {
    const plain = await opened("checkpoints/llama_tiny_bf16");
    const bytes = readFileSync(new URL("checkpoints/llama_tiny_bf16/model.safetensors", vectors));
    const stream = new Blob([new Uint8Array(bytes)])
      .stream()
      .pipeThrough(new QuantizeSafetensorsStream({ quantType: "int8", doubleQuant: false }));
    const quantized = new Uint8Array(await new Response(stream).arrayBuffer());
    const weights = await ModelWeights.open([await openSafetensors(bytesSource(quantized))]);
    const { kernels: _, dtype, ...record } = await weights.record(LAYER);
    expect(dtype).toBe("bfloat16");
    const floats = await plain.weights.floats(LAYER);
    const options = { quantType: "int8", doubleQuant: false, shape: record.shape } as const;
    const { kernels: _kernels, dtype: _dtype, ...expected } = quantize(floats, options);
    expect(record).toEqual(expected);
  });

  it("say which name is wrong", async () => {
    const { weights } = await opened("checkpoints/llama_tiny_nf4");
    await expect(weights.record("model.norm.weight")).rejects.toThrow(
      'name: expected that of a quantized weight, received "model.norm.weight"',
    );
    await expect(weights.floats("no")).rejects.toThrow(ArgumentError);
    expect((await weights.floats("model.norm.weight")).length).toBe(64);
    expect(weights.isQuantized("model.norm.weight")).toBe(false);
  });
});
