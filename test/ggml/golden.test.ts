import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { createReferenceBlockKernels } from "../../src/kernels/reference/ggml/block-kernels.ts";
import { createWasmBlockKernels } from "../../src/kernels/wasm/ggml/block-kernels.ts";
import { BLOCK_LAYOUTS, BLOCK_TYPES } from "../../src/schemes/ggml/block-types.ts";
import { GOLDEN_TYPES, goldenBlocks, sha256 } from "./golden.ts";
import { dequantizeWith, quantizeWith } from "./run-kernels.ts";

describe("the table of block types", () => {
  it("is ggml's", () => {
    expect(Object.keys(GOLDEN_TYPES).length).toBe(20);
    for (const [name, golden] of Object.entries(GOLDEN_TYPES)) {
      const { id, blockValues, blockBytes } = BLOCK_LAYOUTS[name as "F16"];
      const { ggml_type, block_values, block_bytes } = golden;
      expect({ name, id, blockValues, blockBytes }).toEqual({
        name,
        id: ggml_type,
        blockValues: block_values,
        blockBytes: block_bytes,
      });
    }
  });
});

const module = new WebAssembly.Module(
  readFileSync(new URL("../../build/ggml.wasm", import.meta.url)),
);

describe.each([
  ["reference", createReferenceBlockKernels()],
  ["wasm", createWasmBlockKernels(module)],
] as const)("%s", (_, kernels) => {
  const types = BLOCK_TYPES.filter((type) => type !== "F32");

  it.each(types)("quantizes %s as ggml", (type) => {
    const { blockBytes } = BLOCK_LAYOUTS[type];
    let compared = 0;
    for (const { name, values, blocks, stable, passes_validation } of goldenBlocks(type)) {
      const own = quantizeWith(kernels, type, values);
      expect(`${name}: ${own.bad < 0}`).toBe(`${name}: ${passes_validation}`);
      if (!stable) continue;
      const at = own.blocks.findIndex((byte, i) => byte !== blocks[i]);
      const where =
        at < 0 ? "equal" : `block ${Math.floor(at / blockBytes)}, byte ${at % blockBytes}`;
      expect(`${name}: ${where}`).toBe(`${name}: equal`);
      compared += blocks.length;
    }
    expect(compared).toBeGreaterThan(3000);
  });

  it.each(types)("dequantizes %s as ggml", (type) => {
    for (const { name, blocks, dequantized_f32_sha256 } of goldenBlocks(type)) {
      const values = dequantizeWith(kernels, type, blocks);
      expect(`${name}: ${sha256(values)}`).toBe(`${name}: ${dequantized_f32_sha256}`);
    }
  });

  it("copies F32", () => {
    const { values } = goldenBlocks("F16")[0] as { values: Float32Array<ArrayBuffer> };
    const { blocks } = quantizeWith(kernels, "F32", values);
    expect(sha256(blocks)).toBe(sha256(values));
    expect(dequantizeWith(kernels, "F32", blocks)).toEqual(values);
  });
});
