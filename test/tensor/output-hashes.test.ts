/**
 * The output bytes are our API: each scheme and mode has its hash, and a change of one is a major
 * version with a paragraph under *Changed bits* in CHANGELOG.md. Hashes are never updated in
 * passing: the failing test prints the new one.
 */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type QuantizedTensor, type QuantizeOptions, quantize } from "../../src/index.ts";
import { floatBytesAs, normalFloats } from "../checkpoint/safetensors-files.ts";

/** 2 tiles, a short last block, a zero block, ties and both extremes of a block. */
const COUNT = 270_336 + 33;
const ROWS = 3 * 11;
const SHAPE = [ROWS, COUNT / ROWS];

const floats = normalFloats(COUNT, 2026);
floats.fill(0, 640, 1408);
floats.set([1, -1, 0.5, -0.5, 0.25, -0.25, 0.75, -0.75, -0], 128);

const INPUTS = {
  float32: floats,
  float16: new Uint16Array(floatBytesAs("F16", floats).buffer),
  bfloat16: new Uint16Array(floatBytesAs("BF16", floats).buffer),
} as const;

const CODINGS: Readonly<Record<string, QuantizeOptions>> = {
  "nf4 torch": { quantType: "nf4", doubleQuant: false },
  "nf4 torch nested": { quantType: "nf4" },
  "nf4 torch 4096": { quantType: "nf4", blockSize: 4096, doubleQuant: false },
  "nf4 cuda": { quantType: "nf4", mode: "cuda", doubleQuant: false },
  "nf4 cuda nested": { quantType: "nf4", mode: "cuda" },
  "fp4 torch": { quantType: "fp4", doubleQuant: false },
  "fp4 torch nested": { quantType: "fp4" },
  "fp4 cuda": { quantType: "fp4", mode: "cuda", doubleQuant: false },
  "fp4 cuda nested": { quantType: "fp4", mode: "cuda" },
  "dynamic8 torch": { quantType: "dynamic8" },
  "dynamic8 torch 256": { quantType: "dynamic8", blockSize: 256 },
  "dynamic8 cuda 256": { quantType: "dynamic8", mode: "cuda", blockSize: 256 },
  "llm-int8": { quantType: "llm-int8", shape: SHAPE },
  "llm-int8 threshold": {
    quantType: "llm-int8",
    shape: SHAPE,
    threshold: 0.0625,
  },
  af4: { quantType: "af4", doubleQuant: false },
  "af4 nested": { quantType: "af4" },
  "int8 64": { quantType: "int8", shape: SHAPE },
  "int8 tensor": { quantType: "int8", granularity: "tensor" },
  "int8 rows symmetric": {
    quantType: "int8",
    granularity: "channel",
    symmetric: true,
    shape: SHAPE,
  },
  "int8 33 nested": { quantType: "int8", blockSize: 33, doubleQuant: true, shape: SHAPE },
  "int4 64 nested": { quantType: "int4", shape: SHAPE },
  "int4 32 symmetric": {
    quantType: "int4",
    blockSize: 32,
    symmetric: true,
    doubleQuant: false,
    shape: SHAPE,
  },
  "uint8 4096": { quantType: "uint8", blockSize: 4096 },
  "uint8 columns": { quantType: "uint8", granularity: "channel", axis: 1, shape: SHAPE },
  "uint4 64 nested": { quantType: "uint4" },
  mxfp4: { quantType: "mxfp4", shape: SHAPE },
  mxfp8: { quantType: "mxfp8", shape: SHAPE },
  "mxfp8-e5m2": { quantType: "mxfp8-e5m2", shape: SHAPE },
  nvfp4: { quantType: "nvfp4", shape: SHAPE },
  "fp8-e4m3 tensor": { quantType: "fp8-e4m3" },
  "fp8-e5m2 rows": { quantType: "fp8-e5m2", granularity: "channel", shape: SHAPE },
};

const hashes = JSON.parse(
  readFileSync(new URL("output-hashes.json", import.meta.url), "utf8"),
) as Record<string, string>;

/** sha256 of every stored array, one behind the other. */
function hashOf(record: QuantizedTensor): string {
  const hash = createHash("sha256");
  const add = (array: ArrayBufferView | undefined) => {
    if (array === undefined) return;
    hash.update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  };
  add(record.codes);
  if (record.quantType === "llm-int8") {
    add(record.scb);
    add(record.outlierColumns);
  } else if ("absmax" in record) {
    add(record.absmax);
    const nested = "nested" in record ? record.nested : undefined;
    add(nested?.absmax);
    add(nested === undefined ? undefined : Float32Array.of(nested.offset));
  } else if ("scale" in record) {
    add(record.scale);
    if ("zeroPoint" in record) add(record.zeroPoint);
    if ("nested" in record) add(record.nested?.ranges);
    if ("tensorScale" in record) add(Float32Array.of(record.tensorScale as number));
  }
  return hash.digest("hex");
}

const cases = Object.entries(CODINGS).flatMap(([name, options]) =>
  Object.entries(INPUTS).map(([dtype, input]) => ({
    name: `${name}, ${dtype}`,
    options: { dtype: dtype as keyof typeof INPUTS, ...options },
    input,
  })),
);

describe("the output bytes of this release", () => {
  it("have a hash for each scheme, mode and input dtype, and for nothing else", () => {
    expect(Object.keys(hashes).sort()).toEqual(cases.map(({ name }) => name).sort());
  });

  it.each(cases)("$name", ({ name, options, input }) => {
    expect(hashOf(quantize(input, { ...options, kernels: "wasm" }))).toBe(hashes[name]);
    expect(hashOf(quantize(input, { ...options, kernels: "reference" }))).toBe(hashes[name]);
  });
});
