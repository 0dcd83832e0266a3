import { describe, expect, it } from "vitest";
import type { Codebook } from "../../src/schemes/codebook.ts";
import { dynamic8 } from "../../src/schemes/dynamic8.ts";
import { FP4 } from "../../src/schemes/fp4.ts";
import { custom8 } from "../../src/schemes/maps8.ts";
import { NF4 } from "../../src/schemes/nf4.ts";
import { Harness, sameBytes } from "./calls.ts";
import { GOLDEN_DTYPES, type GoldenCase, goldenGroup, sha256 } from "./golden.ts";
import { IMPLEMENTATIONS } from "./implementations.ts";

const CAPACITY = 1 << 16;

function elements({ shape }: GoldenCase): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

function codebook4({ quant_type }: GoldenCase): Codebook {
  return quant_type === "nf4" ? NF4 : FP4;
}

/** Turns a row-major matrix of 2- or 4-byte items on its side. */
function transposed(bytes: Uint8Array, rows: number, columns: number): Uint8Array {
  const itemBytes = bytes.byteLength / (rows * columns);
  const result = new Uint8Array(bytes.byteLength);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const from = (row * columns + column) * itemBytes;
      result.set(bytes.subarray(from, from + itemBytes), (column * rows + row) * itemBytes);
    }
  }
  return result;
}

describe.each(IMPLEMENTATIONS)("golden vectors: $name", ({ create }) => {
  const harness = new Harness(create(), CAPACITY);

  describe.each(["q4_grid", "q4_dist", "q4_storage"])("%s", (name) => {
    const group = goldenGroup(name);
    const cases = group.cases.filter((golden) => golden.platform_defined !== true);

    it.each(cases)("$id", (golden) => {
      const dtype = GOLDEN_DTYPES[golden.dtype];
      const input = group.tensor(golden.input).bytes;
      const codebook = codebook4(golden);
      const weight = group.tensor(golden.tensors.weight as string).bytes;
      const absmax = group.tensor(golden.tensors.absmax as string).bytes;

      const result = harness.quantize(codebook, "torch", dtype, input, golden.blocksize);
      sameBytes(result.codes, weight, "weight");
      sameBytes(result.absmax, absmax, "absmax");
      expect(result.nonFinite).toBe(-1);

      const count = elements(golden);
      const values = harness.dequantize(codebook, dtype, weight, absmax, count, golden.blocksize);
      expect(sha256(values)).toBe(golden.dequant_sha256);
    });
  });

  describe("q4_nested", () => {
    const group = goldenGroup("q4_nested");

    it.each(group.cases)("$id", (golden) => {
      const dtype = GOLDEN_DTYPES[golden.dtype];
      const codebook = codebook4(golden);
      const [rows = 0, columns = 0] = golden.shape;
      const stored = group.tensor(golden.input).bytes;
      const input = golden.transpose_input_first ? transposed(stored, columns, rows) : stored;
      const weight = group.tensor(golden.tensors.weight as string).bytes;
      const first = group.tensor(golden.tensors.absmax_f32 as string).bytes;

      const result = harness.quantize(codebook, "torch", dtype, input, golden.blocksize);
      sameBytes(result.codes, weight, "weight");
      sameBytes(result.absmax, first, "first-level absmax");

      const offset = new Float32Array(Uint32Array.of(Number(golden.nested_offset_f32_hex)).buffer);
      const centred = new Float32Array(first.slice().buffer).map((a) => a - (offset[0] as number));
      const nested = harness.quantize(
        dynamic8(),
        "torch",
        "float32",
        new Uint8Array(centred.buffer),
        256,
      );
      const codes = group.tensor(golden.tensors["default.absmax"] as string).bytes;
      const scales = group.tensor(golden.tensors["default.nested_absmax"] as string).bytes;
      sameBytes(nested.codes, codes, "nested codes");
      sameBytes(nested.absmax, scales, "nested absmax");

      const count = centred.length;
      const decoded = harness.dequantize(dynamic8(), "float32", codes, scales, count, 256);
      const absmax = new Float32Array(decoded.buffer).map((a) => a + (offset[0] as number));
      const absmaxBytes = new Uint8Array(absmax.buffer);
      expect(sha256(absmaxBytes)).toBe(golden["default.absmax_dequant_sha256"]);
      const values = harness.dequantize(
        codebook,
        dtype,
        weight,
        absmaxBytes,
        elements(golden),
        golden.blocksize,
      );
      expect(sha256(values)).toBe(golden["default.dequant_sha256"]);
    });
  });

  describe("q8_blockwise", () => {
    const group = goldenGroup("q8_blockwise");

    it.each(group.cases)("$id", (golden) => {
      const dtype = GOLDEN_DTYPES[golden.dtype];
      const levels = new Float32Array(group.tensor(golden.code).bytes.buffer);
      const codebook = custom8(golden.code, levels);
      const codes = group.tensor(golden.tensors["default.q"] as string).bytes;
      const absmax = group.tensor(golden.tensors["default.absmax"] as string).bytes;

      const input = group.tensor(golden.input).bytes;
      const result = harness.quantize(codebook, "torch", dtype, input, golden.blocksize);
      sameBytes(result.codes, codes, "codes");
      sameBytes(result.absmax, absmax, "absmax");

      const count = elements(golden);
      const values = harness.dequantize(codebook, dtype, codes, absmax, count, golden.blocksize);
      expect(sha256(values)).toBe(golden["default.dequant_sha256"]);
    });
  });

  describe("int8_rowwise", () => {
    const group = goldenGroup("int8_rowwise");
    const cases = group.cases.filter((golden) => golden.threshold === 0);

    it.each(cases)("$id", (golden) => {
      const [rows = 0, columns = 0] = golden.shape;
      const dtype = GOLDEN_DTYPES[golden.dtype];
      const input = group.tensor(golden.input).bytes;
      const codes = group.tensor(golden.tensors.weight as string).bytes;
      const scb = group.tensor(golden.tensors.SCB as string).bytes;

      const result = harness.quantizeRows(dtype, input, rows, columns);
      if (golden.platform_defined === true) {
        expect(result.nonFinite).toBeGreaterThanOrEqual(0);
        return;
      }
      sameBytes(result.codes, codes, "codes");
      sameBytes(result.absmax, scb, "SCB");
      expect(result.nonFinite).toBe(-1);
      if (golden.tensors.input_f16 !== undefined) {
        const f16 = group.tensor(golden.tensors.input_f16).bytes;
        sameBytes(harness.convert(dtype, "float16", input), f16, "input_f16");
      }
      const values = harness.dequantizeRows("float32", codes, scb, rows, columns);
      expect(sha256(values)).toBe(golden.dequant_f32_sha256);
    });
  });
});
