/** Tensors of several tiles, cut where it hurts: inside blocks, rows and bytes. */

import { describe, expect, it } from "vitest";
import { type FloatDtype, NonFiniteError, type QuantizeOptions } from "../../src/index.ts";
import { TILE_BYTES } from "../../src/tensor/workspace.ts";
import { normalFloats } from "../checkpoint/safetensors-files.ts";
import { asDtype, type ScaledType } from "./random-tensors.ts";
import { expectSame, KERNELS, quantizeScaled } from "./scaled-records.ts";

type Options = Omit<QuantizeOptions, "quantType" | "shape">;

type Case = readonly [
  what: string,
  quantType: ScaledType,
  shape: readonly number[],
  options: Options,
];

const tensor = { granularity: "tensor" } as const;
const channel = (axis: number) => ({ granularity: "channel", axis }) as const;
const block = (blockSize: number, more: Options = {}) => ({ blockSize, ...more });
const plain = { doubleQuant: false };

const CASES: readonly Case[] = [
  ["blocks of 33 in rows of 1000", "int8", [301, 1000], block(33)],
  ["nibbles that end in the middle of a byte", "int4", [299, 1001], block(33, plain)],
  ["nested scales, an odd row, 256 to a group", "int4", [301, 999], block(47)],
  ["nested scales in rows shorter than a block", "uint4", [60_001, 5], block(64)],
  ["nested scales in groups of a million elements", "int4", [1, 1_050_001], block(4096)],
  ["the largest blocks in a vector", "uint8", [300_007], block(4096)],
  ["more than a million scales", "uint8", [1_050_001, 1], block(32)],
  ["more than a million scales of one byte", "nvfp4", [1_050_001, 1], {}],
  ["nested bytes", "int8", [3, 100_003], block(100, { doubleQuant: true })],
  ["one scale", "int8", [377, 801], tensor],
  ["one scale, symmetric, odd", "int4", [377, 801], { ...tensor, symmetric: true }],
  ["rows shorter than a tile", "int4", [3, 100_001], channel(0)],
  ["rows longer than a tile", "uint8", [2, 270_001], channel(0)],
  ["channels of a middle axis", "int4", [3, 5, 20_011], channel(1)],
  ["channels of the last axis", "int8", [30, 100, 101], channel(-1)],
  ["channels of the last axis, nibbles", "uint4", [2703, 101], channel(1)],
  ["a tensor scale and short blocks", "nvfp4", [377, 801], {}],
  ["blocks of 32 and a rest", "mxfp4", [377, 801], {}],
  ["blocks of 32 and a rest of 1", "mxfp8", [8300, 33], {}],
  ["one scale for all floats", "fp8-e4m3", [377, 801], {}],
  ["floats by channel", "fp8-e5m2", [377, 801], channel(1)],
  ["floats in blocks of 100", "fp8-e4m3", [301, 1001], block(100, { granularity: "block" })],
];

const HALF_CASES: readonly (readonly [FloatDtype, ...Case])[] = [
  ["bfloat16", "blocks of 33, odd rows", "int4", [601, 999], block(33, plain)],
  ["bfloat16", "one scale", "int8", [601, 999], tensor],
  ["float16", "a tensor scale", "nvfp4", [601, 999], {}],
  ["float16", "channels of a middle axis", "int8", [3, 7, 28_571], channel(1)],
];

/** Weights whose extremes are far apart, in the tensor and in every row. */
function uneven(count: number): Float32Array {
  return normalFloats(count, 7).map((x, i) => (i % 9973 === 0 ? 8 * x : x * (1 + (i % 17))));
}

function countOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

describe("a tensor of several tiles", { timeout: 30_000 }, () => {
  it.each(CASES)("has the bytes of plain loops: %s, %s %o", (_, quantType, shape, options) => {
    const count = countOf(shape);
    expect(4 * count).toBeGreaterThan(TILE_BYTES);
    const values = uneven(count);
    expectSame(values, values, "float32", { quantType, shape, ...options });
  });

  it.each(HALF_CASES)("has the bytes of plain loops in %s: %s, %s %o", (...args) => {
    const [dtype, , quantType, shape, options] = args;
    const count = countOf(shape);
    expect(2 * count).toBeGreaterThan(TILE_BYTES);
    const { weights, values } = asDtype(uneven(count), dtype);
    expectSame(weights, values, dtype, { quantType, shape, ...options });
  });
});

describe("NaN behind the first tile", { timeout: 30_000 }, () => {
  const shape = [301, 1001];
  const at = 290_003;

  it.each([
    ["int4", block(33)],
    ["int8", tensor],
    ["uint8", channel(1)],
    ["nvfp4", {}],
    ["mxfp8", {}],
    ["fp8-e4m3", {}],
  ] as const)("is told by its place in the tensor: %s %o", (quantType, options) => {
    const values = uneven(countOf(shape));
    values[at] = Number.NaN;
    for (const kernels of KERNELS) {
      const act = () => quantizeScaled(values, { quantType, shape, kernels, ...options });
      expect(act).toThrow(NonFiniteError);
      expect(act).toThrow(expect.objectContaining({ index: at }));
    }
    expectSame(values, values, "float32", { quantType, shape, allowNonFinite: true, ...options });
  });
});
