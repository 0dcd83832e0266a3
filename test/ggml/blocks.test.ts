import { describe, expect, it } from "vitest";
import { ArgumentError, NonFiniteError } from "../../src/foundation/errors.ts";
import {
  BLOCK_LAYOUTS,
  BLOCK_TYPES,
  dequantizeBlocks,
  quantizeBlocks,
} from "../../src/ggml/index.ts";
import { goldenBlocks } from "./golden.ts";

const normal = goldenBlocks("Q4_K").find(({ name }) => name === "normal_f16");
const { values, rowLength, blocks } = normal as NonNullable<typeof normal>;

describe("quantizeBlocks", () => {
  it("gives the golden blocks, in a new array or the caller's", () => {
    expect(quantizeBlocks(values, { type: "Q4_K", rowLength })).toEqual(blocks);
    const out = new Uint8Array(blocks.length);
    expect(quantizeBlocks(values, { type: "Q4_K", rowLength, out })).toBe(out);
    expect(out).toEqual(blocks);
  });

  it("takes 16-bit floats, whose values these are", () => {
    const bits = quantizeBlocks(values, { type: "F16" });
    const halves = new Uint16Array(bits.buffer);
    expect(quantizeBlocks(halves, { type: "Q4_K", dtype: "float16" })).toEqual(blocks);
    const bf16 = goldenBlocks("Q4_K").find(({ name }) => name === "normal_bf16");
    const words = quantizeBlocks((bf16 as typeof normal & object).values, { type: "BF16" });
    const own = quantizeBlocks(new Uint16Array(words.buffer), { type: "Q4_K", dtype: "bfloat16" });
    expect(own).toEqual((bf16 as typeof normal & object).blocks);
  });

  it("does not depend on how weights are cut into windows", () => {
    const many = new Float32Array(3 * 2 ** 17 + 256);
    for (let at = 0; at < many.length; at += values.length) {
      many.set(values.subarray(0, Math.min(values.length, many.length - at)), at);
    }
    const all = quantizeBlocks(many, { type: "Q8_0" });
    const { blockBytes } = BLOCK_LAYOUTS.Q8_0;
    const first = quantizeBlocks(values, { type: "Q8_0" });
    for (let at = 0; at < all.length; at += first.length) {
      const piece = all.subarray(at, at + first.length);
      expect(Buffer.compare(piece, first.subarray(0, piece.length))).toBe(0);
    }
    expect(all.length).toBe((many.length / 32) * blockBytes);
    const back = dequantizeBlocks(all, { type: "Q8_0" });
    expect(back.subarray(-256)).toEqual(dequantizeBlocks(all.subarray(-8 * 34), { type: "Q8_0" }));
  });

  it.each(BLOCK_TYPES)("%s: empty in, empty out", (type) => {
    expect(quantizeBlocks(new Float32Array(0), { type })).toEqual(new Uint8Array(0));
    expect(dequantizeBlocks(new Uint8Array(0), { type })).toEqual(new Float32Array(0));
  });

  it.each(BLOCK_TYPES)("%s: names the first element that is not finite", (type) => {
    for (const wrong of [NaN, Infinity, -Infinity]) {
      const weights = new Float32Array(1024).fill(0.5);
      weights[700] = wrong;
      weights[900] = NaN;
      const call = () => quantizeBlocks(weights, { type });
      expect(call).toThrow(NonFiniteError);
      expect(call).toThrow(`weights: element 700 is ${wrong}; expected a finite number`);
    }
  });

  it("names the element that a scale of 16 bits cannot hold", () => {
    const weights = new Float32Array(1024).fill(0.5);
    weights[300] = -(2 ** 40);
    for (const type of BLOCK_TYPES) {
      const { halves } = BLOCK_LAYOUTS[type];
      const call = () => quantizeBlocks(weights, { type });
      if (halves.length === 0 || type === "BF16") call();
      else
        expect(call).toThrow(
          `element 300 is -1099511627776, too large for the 16-bit scale of a ${type}`,
        );
    }
    weights[300] = 3.4e38;
    expect(() => quantizeBlocks(weights, { type: "BF16" })).toThrow(/too large/);
  });

  it("refuses rows that no whole blocks fill, and other types", () => {
    const weights = new Float32Array(512);
    const call = (options: object) => () => quantizeBlocks(weights, options as never);
    expect(call({ type: "Q4_K", rowLength: 128 })).toThrow(
      "rowLength: expected a multiple of 256, the block of Q4_K, received 128",
    );
    expect(call({ type: "Q8_0", rowLength: 96 })).toThrow("weights: expected rows of 96 elements");
    expect(call({ type: "Q9_9" })).toThrow(ArgumentError);
    expect(call({ type: "Q8_0", out: new Uint8Array(3) })).toThrow("out: expected 544 bytes");
    expect(call({ type: "Q8_0", out: new Float32Array(544) })).toThrow(
      "out: expected a Uint8Array",
    );
    expect(() => dequantizeBlocks(new Uint8Array(33), { type: "Q8_0" })).toThrow(
      'blocks: expected a multiple of 34 bytes, the block of Q8_0, received "33 bytes"',
    );
    const out = new Float32Array(31);
    expect(() => dequantizeBlocks(new Uint8Array(34), { type: "Q8_0", out })).toThrow(
      "out: expected 32 elements",
    );
  });
});
