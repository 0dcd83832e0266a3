import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { createReferenceBlockKernels } from "../../src/kernels/reference/ggml/block-kernels.ts";
import { createWasmBlockKernels } from "../../src/kernels/wasm/ggml/block-kernels.ts";
import { BLOCK_LAYOUTS, BLOCK_TYPES, type BlockType } from "../../src/schemes/ggml/block-types.ts";
import { dequantizeWith, quantizeWith } from "./run-kernels.ts";
import { randomNumbers, WEIGHTS, weightsOf } from "./weights.ts";

const compile = (file: string) =>
  new WebAssembly.Module(readFileSync(new URL(`../../build/${file}`, import.meta.url)));

const reference = createReferenceBlockKernels();
const builds = ["ggml.wasm", "ggml.debug.wasm"].map(
  (file) => [file, createWasmBlockKernels(compile(file))] as const,
);

/** Nine K-blocks: not a multiple of four blocks of any size but 1. */
const COUNT = 9 * 256;

function difference(type: BlockType, values: Float32Array, own: Uint8Array, other: Uint8Array) {
  const { blockValues, blockBytes } = BLOCK_LAYOUTS[type];
  const at = own.findIndex((byte, i) => byte !== other[i]);
  if (at < 0) return "equal";
  const block = Math.floor(at / blockBytes);
  const some = values.subarray(block * blockValues, block * blockValues + 16);
  return `block ${block}, byte ${at % blockBytes}: ${own[at]}, not ${other[at]}; ${some.join(" ")} …`;
}

describe.each(builds)("%s", (file, wasm) => {
  const names = Object.keys(WEIGHTS).filter((_, i) => file === "ggml.wasm" || i % 4 === 0);

  describe.each(BLOCK_TYPES)("%s", (type) => {
    it.each(names)("writes what the reference writes: %s", (name) => {
      const values = weightsOf(name, COUNT, 1 + names.indexOf(name));
      const expected = quantizeWith(reference, type, values);
      const own = quantizeWith(wasm, type, values, 1 + (values.length % 3));
      expect(difference(type, values, own.blocks, expected.blocks)).toBe("equal");
      expect(own.bad).toBe(expected.bad);
    });

    it("reads any bytes as the reference does, from any address", () => {
      const random = randomNumbers(7);
      const { blockBytes } = BLOCK_LAYOUTS[type];
      const blocks = Uint8Array.from({ length: 70 * blockBytes }, () => 256 * random());
      const expected = dequantizeWith(reference, type, blocks);
      for (const shift of [0, 1, 7]) {
        const own = dequantizeWith(wasm, type, blocks, shift);
        const wrong = own.findIndex((value, i) => !Object.is(value, expected[i]));
        expect(wrong < 0 ? "equal" : `${wrong}: ${own[wrong]}, not ${expected[wrong]}`).toBe(
          "equal",
        );
      }
    });

    it("stops at the block that holds no number", () => {
      const values = weightsOf("normal", COUNT, 3);
      values[1500] = NaN;
      values[1600] = Infinity;
      const block = Math.floor(1500 / BLOCK_LAYOUTS[type].blockValues);
      expect(quantizeWith(wasm, type, values).bad).toBe(block);
      expect(quantizeWith(reference, type, values).bad).toBe(block);
    });
  });
});
