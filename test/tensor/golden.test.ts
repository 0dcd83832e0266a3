import { describe, expect, it } from "vitest";
import { dequantize, type FloatArray, type QuantStorage, quantize } from "../../src/index.ts";
import {
  createDynamicMap,
  createFp8Map,
  createLinearMap,
  dynamic8,
  FP4,
  NF4,
} from "../../src/schemes/index.ts";
import { sameBytes } from "../kernels/calls.ts";
import {
  GOLDEN_DTYPES,
  type GoldenCase,
  type GoldenGroup,
  goldenGroup,
  sha256,
} from "../kernels/golden.ts";

const KERNELS = ["wasm", "reference"] as const;

/** bitsandbytes' cases of 4 bits, with the fields that only these groups have. */
interface StorageCase extends GoldenCase {
  readonly quant_storage: QuantStorage;
}

function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** The case's input as the public API takes it: f32, or the bits of 16-bit floats. */
function weightsOf(group: GoldenGroup, golden: GoldenCase): FloatArray {
  const stored = group.tensor(golden.input).bytes;
  const { buffer } = golden.transpose_input_first ? transposed(stored, golden.shape) : stored;
  return golden.dtype === "f32"
    ? new Float32Array(buffer as ArrayBuffer)
    : new Uint16Array(buffer as ArrayBuffer);
}

/** A stored matrix on its side; `shape` is that of the result. */
function transposed(bytes: Uint8Array, [rows = 0, columns = 0]: readonly number[]): Uint8Array {
  const itemBytes = bytes.byteLength / (rows * columns);
  const result = new Uint8Array(bytes.byteLength);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const from = (column * rows + row) * itemBytes;
      result.set(bytes.subarray(from, from + itemBytes), (row * columns + column) * itemBytes);
    }
  }
  return result;
}

function optionsOf(golden: GoldenCase) {
  return { dtype: GOLDEN_DTYPES[golden.dtype], shape: golden.shape };
}

function isDefined(golden: GoldenCase): boolean {
  return golden.platform_defined !== true;
}

/** Neighbouring floats are 1 apart. */
function ulpsBetween(a: number, b: number): number {
  const bits = new Int32Array(Float32Array.of(a, b).buffer);
  return Math.abs((bits[0] as number) - (bits[1] as number));
}

describe("golden codebooks", () => {
  const group = goldenGroup("codebooks");

  it.each([
    ["nf4", NF4.levels],
    ["fp4", FP4.levels],
    ["dynamic_signed", createDynamicMap({ signed: true })],
    ["dynamic_signed", dynamic8().levels],
    ["dynamic_unsigned", createDynamicMap({ signed: false })],
    ["linear_signed", createLinearMap({ signed: true })],
    ["linear_unsigned", createLinearMap({ signed: false })],
    ["fp8_e5m2_signed", createFp8Map({ signed: true, exponentBits: 5, precisionBits: 2 })],
    ["fp8_e4m3_signed", createFp8Map({ signed: true, exponentBits: 4, precisionBits: 3 })],
  ])("has the bytes of %s", (name, levels) => {
    sameBytes(bytesOf(levels), group.tensor(name).bytes, name);
  });
});

describe.each(KERNELS)("golden vectors through the public API on %s kernels", (kernels) => {
  describe.each(["q4_grid", "q4_dist", "q4_storage"])("%s", (name) => {
    const group = goldenGroup(name);
    const cases = group.cases as readonly StorageCase[];

    it.each(cases.filter(isDefined))("$id", (golden) => {
      const record = quantize(weightsOf(group, golden), {
        ...optionsOf(golden),
        kernels,
        quantType: golden.quant_type,
        blockSize: golden.blocksize,
        doubleQuant: false,
        quantStorage: golden.quant_storage,
      });
      const weight = group.tensor(golden.tensors.weight as string);
      sameBytes(record.codes, weight.bytes, "weight");
      const absmax = group.tensor(golden.tensors.absmax as string).bytes;
      sameBytes(bytesOf(record.absmax), absmax, "absmax");
      expect(record).toMatchObject({ shape: golden.shape, kernels: { name: kernels } });
      expect(record).toMatchObject({ quantStorage: golden.quant_storage });
      expect(record.nested).toBeUndefined();

      const values = dequantize(record, { dtype: GOLDEN_DTYPES[golden.dtype], kernels });
      expect(sha256(bytesOf(values as Float32Array))).toBe(golden.dequant_sha256);
    });

    const undefinedCases = cases.filter((golden) => !isDefined(golden));
    it.runIf(undefinedCases.length > 0).each(undefinedCases)(
      "lets $id through when that is allowed",
      (golden) => {
        const options = {
          ...optionsOf(golden),
          kernels,
          quantType: golden.quant_type,
          blockSize: golden.blocksize,
          doubleQuant: false,
        };
        expect(() => quantize(weightsOf(group, golden), options)).toThrow(/element \d+ is/);
        const record = quantize(weightsOf(group, golden), { ...options, allowNonFinite: true });
        expect([...record.absmax].some((value) => !Number.isFinite(value))).toBe(true);
      },
    );
  });

  describe("q4_nested", () => {
    const group = goldenGroup("q4_nested");

    it.each(group.cases)("$id", (golden) => {
      const bits = Uint32Array.of(Number(golden.nested_offset_f32_hex));
      const nestedOffset = new Float32Array(bits.buffer)[0] as number;
      const options = {
        ...optionsOf(golden),
        kernels,
        quantType: golden.quant_type,
        blockSize: golden.blocksize,
      };
      const weights = weightsOf(group, golden);
      const record = quantize(weights, { ...options, nestedOffset });
      sameBytes(record.codes, group.tensor(golden.tensors.weight as string).bytes, "weight");
      const absmax = group.tensor(golden.tensors["default.absmax"] as string).bytes;
      sameBytes(bytesOf(record.absmax), absmax, "absmax");
      const scales = group.tensor(golden.tensors["default.nested_absmax"] as string).bytes;
      sameBytes(bytesOf(record.nested?.absmax as Float32Array), scales, "nested_absmax");
      expect(record.nested).toMatchObject({ blockSize: 256, offset: nestedOffset });
      const stateName = `quant_state.bitsandbytes__${golden.quant_type}`;
      const state = group.tensor(golden.tensors[stateName] as string).bytes;
      expect(JSON.parse(new TextDecoder().decode(state))).toMatchObject({
        quant_type: record.quantType,
        blocksize: record.blockSize,
        shape: record.shape,
        dtype: record.dtype,
        nested_blocksize: record.nested?.blockSize,
        nested_offset: record.nested?.offset,
      });
      const values = dequantize(record, { dtype: GOLDEN_DTYPES[golden.dtype], kernels });
      expect(sha256(bytesOf(values as Float32Array))).toBe(golden["default.dequant_sha256"]);

      const own = quantize(weights, options);
      expect(ulpsBetween(own.nested?.offset as number, nestedOffset)).toBeLessThanOrEqual(2);
    });
  });

  describe("q8_blockwise", () => {
    const group = goldenGroup("q8_blockwise");

    it.each(group.cases)("$id", (golden) => {
      const code = new Float32Array(group.tensor(golden.code).bytes.buffer as ArrayBuffer);
      const isDefault = golden.code === "map/dynamic";
      const record = quantize(weightsOf(group, golden), {
        ...optionsOf(golden),
        kernels,
        quantType: "dynamic8",
        blockSize: golden.blocksize,
        // The dynamic map is the default: those cases must not need it.
        ...(isDefault ? {} : { code }),
      });
      const codes = group.tensor(golden.tensors["default.q"] as string).bytes;
      sameBytes(record.codes, codes, "codes");
      const absmax = group.tensor(golden.tensors["default.absmax"] as string).bytes;
      sameBytes(bytesOf(record.absmax), absmax, "absmax");
      sameBytes(bytesOf(record.code), bytesOf(code), "code");

      const values = dequantize(record, { dtype: GOLDEN_DTYPES[golden.dtype], kernels });
      expect(sha256(bytesOf(values as Float32Array))).toBe(golden["default.dequant_sha256"]);
    });
  });

  describe("int8_rowwise", () => {
    const group = goldenGroup("int8_rowwise");

    it.each(group.cases.filter(isDefined))("$id", (golden) => {
      const record = quantize(weightsOf(group, golden), {
        ...optionsOf(golden),
        kernels,
        quantType: "llm-int8",
        threshold: golden.threshold,
      });
      sameBytes(
        bytesOf(record.codes),
        group.tensor(golden.tensors.weight as string).bytes,
        "codes",
      );
      sameBytes(bytesOf(record.scb), group.tensor(golden.tensors.SCB as string).bytes, "SCB");
      const key = golden.tensors.outlier_cols;
      const stored = key === undefined ? undefined : group.tensor(key).bytes.buffer;
      const columns =
        stored === undefined
          ? undefined
          : Array.from(new BigInt64Array(stored as ArrayBuffer), Number);
      expect(record.outlierColumns === undefined ? undefined : [...record.outlierColumns]).toEqual(
        columns,
      );
      const values = dequantize(record, { kernels });
      expect(sha256(bytesOf(values))).toBe(golden.dequant_f32_sha256);
    });

    it("refuses the bfloat16 values that overflow float16, unless they are allowed", () => {
      const golden = group.cases.find(({ platform_defined }) => platform_defined) as GoldenCase;
      const options = { ...optionsOf(golden), kernels, quantType: "llm-int8" } as const;
      expect(() => quantize(weightsOf(group, golden), options)).toThrow(
        /which float16 cannot hold/,
      );
      const record = quantize(weightsOf(group, golden), { ...options, allowNonFinite: true });
      expect([...record.scb]).toContain(Infinity);
    });
  });
});
