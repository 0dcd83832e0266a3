/** Block floats against vectors that none of our code made (test/vectors/floats/PROVENANCE.md). */

import { describe, expect, it } from "vitest";
import { dequantize, type QuantizedFloat, quantize } from "../../src/index.ts";
import { sameBytes } from "../kernels/calls.ts";
import { bytesOf, floatVectors, type GoldenVector, packed } from "./float-vectors.ts";

const KERNELS = ["wasm", "reference"] as const;

function expectRecord(
  golden: GoldenVector,
  options: object,
  parts: (record: QuantizedFloat) => void,
): void {
  const { shape, quantType, format } = golden;
  const input = golden.floats("input");
  const codes = golden.bytes("codes");
  const isPacked = format === "e2m1" && codes.length === input.length;
  for (const kernels of KERNELS) {
    const record = quantize(input, { quantType, shape, kernels, ...options }) as QuantizedFloat;
    sameBytes(bytesOf(record.scale), golden.bytes("scales"), `${kernels}, scales`);
    sameBytes(record.codes, isPacked ? packed(codes) : codes, `${kernels}, codes`);
    sameBytes(bytesOf(dequantize(record, { kernels })), golden.bytes("dequant"), kernels);
    parts(record);
  }
}

describe("golden MX", () => {
  const vectors = floatVectors("mx");

  it.each(vectors)("$id", (golden) => {
    expectRecord(golden, {}, (record) => {
      expect(record).toMatchObject({ granularity: "block", blockSize: 32 });
      expect(record.tensorScale).toBeUndefined();
    });
  });

  it("has every scheme", () => {
    expect(vectors).toHaveLength(30);
    const types = new Set(vectors.map(({ quantType }) => quantType));
    expect(types).toEqual(new Set(["mxfp4", "mxfp8", "mxfp8-e5m2"]));
  });
});

describe("golden NVFP4", () => {
  const vectors = floatVectors("nvfp4");

  it.each(vectors)("$id", (golden) => {
    expectRecord(golden, {}, ({ tensorScale, blockSize }) => {
      expect(tensorScale).toBe(golden.floats("tensor_scale")[0]);
      expect(blockSize).toBe(16);
    });
  });

  it("has every input", () => {
    expect(vectors).toHaveLength(13);
  });
});

describe("golden FP8", () => {
  const vectors = floatVectors("fp8");

  it.each(vectors)("$id", (golden) => {
    const { block } = golden;
    const grain = block === null ? {} : { granularity: "block", blockSize: block };
    expectRecord(golden, grain, (record) => {
      expect(record.granularity).toBe(block === null ? "tensor" : "block");
    });
  });

  it("has both formats, per tensor and per block", () => {
    expect(vectors).toHaveLength(28);
    const kinds = new Set(vectors.map(({ format, block }) => `${format} ${block}`));
    expect(kinds).toEqual(new Set(["e4m3 null", "e4m3 128", "e5m2 null", "e5m2 128"]));
  });
});
