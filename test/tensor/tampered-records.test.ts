/** Records are data that anybody may have changed: a part that does not fit is told by its name. */

import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import {
  ArgumentError,
  dequantize,
  type Quantized4Bit,
  type QuantizedAffine,
  type QuantizedFloat,
  type QuantizedTensor,
  type QuantizeOptions,
  quantize,
} from "../../src/index.ts";
import { normalFloats } from "../checkpoint/safetensors-files.ts";
import { sameBytes } from "../kernels/calls.ts";
import { bytesOf } from "./float-vectors.ts";
import { KERNELS } from "./scaled-records.ts";

const shape = [6, 100];
const weights = normalFloats(600, 5);

type Parts = Readonly<Record<string, unknown>>;
type Wrong = readonly [argument: string, what: string, change: Parts];

function expectRefusals(record: QuantizedTensor, table: readonly Wrong[]): void {
  it.each(table)("%s: %s", (argument, _, change) => {
    const tampered = { ...record, ...change } as QuantizedTensor;
    for (const kernels of KERNELS) {
      const act = () => dequantize(tampered, { kernels });
      expect(act).toThrow(ArgumentError);
      expect(act).toThrow(expect.objectContaining({ code: "ARGUMENT", argument }));
      expect(act).toThrow(/: expected .+, received /);
    }
  });
}

const make = (options: QuantizeOptions) => quantize(weights, { shape, ...options });

/** What is wrong with any record. */
const everyRecord = (record: QuantizedTensor): readonly Wrong[] => [
  ["quantized.quantType", "unknown", { quantType: "int3" }],
  ["quantized.quantType", "none", { quantType: undefined }],
  ["quantized.quantType", "a member of every object", { quantType: "toString" }],
  ["quantized.codes", "none", { codes: undefined }],
  ["quantized.codes", "one too few", { codes: record.codes.slice(1) }],
  ["quantized.codes", "a plain array", { codes: [...record.codes] }],
  ["quantized.codes", "words", { codes: new Uint16Array(record.codes.length) }],
  ["quantized.codes", "as JSON leaves them", { codes: JSON.parse(JSON.stringify(record.codes)) }],
  ["quantized.codes", "those of a larger shape", { shape: [12, 100] }],
  ["quantized.codes", "null", { codes: null }],
  ["quantized.kernels", "null", { kernels: null }],
  ["shape", "none", { shape: undefined }],
  ["shape", "negative", { shape: [-6, -100] }],
  ["shape", "of fractions", { shape: [0.5, 1200] }],
  ["shape", "of strings", { shape: ["6", "100"] }],
];

describe("a tampered record of int8 in blocks", () => {
  const record = make({ quantType: "int8" }) as QuantizedAffine;
  const { scale, zeroPoint } = record;
  expectRefusals(record, [
    ...everyRecord(record),
    ["quantized.scale", "none", { scale: undefined }],
    ["quantized.scale", "one too many", { scale: new Float32Array(scale.length + 1) }],
    ["quantized.scale", "a plain array", { scale: [...scale] }],
    ["quantized.scale", "doubles", { scale: Float64Array.from(scale) }],
    ["quantized.nested", "8-bit scales alone", { scale: new Uint8Array(scale.length) }],
    ["quantized.nested", "too much", { nested: { blockSize: 256, ranges: new Float32Array(2) } }],
    ["quantized.zeroPoint", "none", { zeroPoint: undefined }],
    ["quantized.zeroPoint", "null", { zeroPoint: null }],
    ["quantized.nested", "null", { nested: null }],
    ["quantized.zeroPoint", "one too few", { zeroPoint: zeroPoint?.slice(1) }],
    ["quantized.zeroPoint", "a plain array", { zeroPoint: [...(zeroPoint ?? [])] }],
    ["quantized.zeroPoint", "although symmetric", { symmetric: true }],
    ["quantized.zeroPoint[2]", "a fraction", { zeroPoint: zeroPoint?.with(2, 0.5) }],
    ["quantized.zeroPoint[2]", "NaN", { zeroPoint: zeroPoint?.with(2, NaN) }],
    ["quantized.zeroPoint[2]", "above the codes", { zeroPoint: zeroPoint?.with(2, 128) }],
    ["quantized.zeroPoint[2]", "below the codes", { zeroPoint: zeroPoint?.with(2, -129) }],
    ["quantized.granularity", "unknown", { granularity: "row" }],
    ["quantized.granularity", "none", { granularity: undefined }],
    ["quantized.scale", "another granularity's", { granularity: "tensor" }],
    ["quantized.blockSize", "none", { blockSize: undefined }],
    ["quantized.blockSize", "zero", { blockSize: 0 }],
    ["quantized.blockSize", "a fraction", { blockSize: 63.5 }],
    ["quantized.scale", "another block size's", { blockSize: 32 }],
  ]);
});

describe("a tampered record of uint4 with nested scales", () => {
  const record = make({ quantType: "uint4" }) as QuantizedAffine;
  const { nested, scale, zeroPoint } = record;
  expectRefusals(record, [
    ...everyRecord(record),
    ["quantized.nested", "none", { nested: undefined }],
    ["quantized.nested", "although the scales are floats", { scale: Float32Array.from(scale) }],
    ["quantized.nested.blockSize", "zero", { nested: { ...nested, blockSize: 0 } }],
    ["quantized.nested.blockSize", "none", { nested: { ranges: nested?.ranges } }],
    ["quantized.nested.ranges", "none", { nested: { blockSize: 256 } }],
    ["quantized.nested.ranges", "half", { nested: { ...nested, ranges: new Float32Array(1) } }],
    ["quantized.nested.ranges", "a list", { nested: { ...nested, ranges: [1, 0] } }],
    ["quantized.nested.ranges", "of larger groups", { nested: { ...nested, blockSize: 4 } }],
    ["quantized.zeroPoint[0]", "above the codes", { zeroPoint: zeroPoint?.map(() => 16) }],
  ]);
});

describe("a tampered record of int4 by channel", () => {
  const options = { quantType: "int4", granularity: "channel", axis: 1 } as const;
  const record = make(options) as QuantizedAffine;
  expectRefusals(record, [
    ["quantized.scale", "another axis'", { axis: 0 }],
    ["axis", "too large", { axis: 2 }],
    ["axis", "too small", { axis: -3 }],
    ["axis", "a fraction", { axis: 0.5 }],
    ["axis", "of a scalar", { shape: [], codes: record.codes.slice(0, 1) }],
    ["quantized.scale", "a shape on its side", { shape: [100, 6] }],
  ]);
});

describe("a tampered record of a block float", () => {
  const mx = make({ quantType: "mxfp8" }) as QuantizedFloat;
  const nv = make({ quantType: "nvfp4" }) as QuantizedFloat;
  const fp8 = make({ quantType: "fp8-e4m3" }) as QuantizedFloat;

  describe("mxfp8", () => {
    expectRefusals(mx, [
      ...everyRecord(mx),
      ["quantized.scale", "floats", { scale: Float32Array.from(mx.scale) }],
      ["quantized.scale", "signed", { scale: Int8Array.from(mx.scale) }],
      ["quantized.scale", "one too few", { scale: mx.scale.slice(1) }],
      ["quantized.scale", "a plain array", { scale: [...mx.scale] }],
      ["quantized.blockSize", "another", { blockSize: 64 }],
      ["quantized.blockSize", "none", { blockSize: undefined }],
      ["quantized.blockSize", "one scale for all", { granularity: "tensor" }],
      ["quantized.tensorScale", "not its own", { tensorScale: 1 }],
      ["quantized.zeroPoint", "not its own", { zeroPoint: new Float32Array(12) }],
      ["quantized.nested", "not its own", { nested: { blockSize: 256 } }],
    ]);
  });

  describe("nvfp4", () => {
    expectRefusals(nv, [
      ...everyRecord(nv),
      ["quantized.tensorScale", "none", { tensorScale: undefined }],
      ["quantized.tensorScale", "a string", { tensorScale: "1" }],
      ["quantized.blockSize", "another", { blockSize: 32 }],
    ]);
  });

  describe("fp8-e4m3", () => {
    expectRefusals(fp8, [
      ...everyRecord(fp8),
      ["quantized.scale", "bytes", { scale: new Uint8Array(1) }],
      ["quantized.scale", "one for each channel", { granularity: "channel", axis: 0 }],
      ["quantized.granularity", "unknown", { granularity: "group" }],
    ]);
  });
});

describe("a tampered record of a codebook", () => {
  const nested = make({ quantType: "af4" }) as Quantized4Bit;
  const dynamic = make({ quantType: "dynamic8" });
  const rows = make({ quantType: "llm-int8" });
  const floats = new Float32Array(10);

  describe("af4", () => {
    expectRefusals(nested, [
      ...everyRecord(nested),
      ["quantized.absmax", "a plain array", { absmax: Array(10).fill(1) }],
      ["quantized.absmax", "doubles", { absmax: new Float64Array(10), nested: undefined }],
      ["quantized.nested", "too much", { absmax: floats }],
      ["quantized.nested.absmax", "a list", { nested: { ...nested.nested, absmax: [1] } }],
      ["quantized.nested.levels", "short", { nested: { ...nested.nested, levels: floats } }],
      ["quantized.nested.offset", "a string", { nested: { ...nested.nested, offset: "0" } }],
    ]);
  });

  describe("dynamic8", () => {
    expectRefusals(dynamic, [
      ...everyRecord(dynamic),
      ["quantized.absmax", "bytes", { absmax: new Uint8Array(1) }],
      ["quantized.code", "doubles", { code: new Float64Array(256) }],
    ]);
  });

  describe("llm-int8", () => {
    expectRefusals(rows, [
      ...everyRecord(rows),
      ["quantized.scb", "a plain array", { scb: Array(6).fill(1) }],
      ["quantized.scb", "none", { scb: undefined }],
    ]);
  });
});

describe("what is no record at all", () => {
  it.each([[undefined], [null], [7], ["int8"], [[]], [{}], [new Float32Array(4)]])(
    "is refused: %o",
    (nothing) => {
      const act = () => dequantize(nothing as unknown as QuantizedTensor);
      expect(act).toThrow(ArgumentError);
      expect(act).toThrow(/^quantized/);
    },
  );
});

describe("numbers that make no sense, in parts that fit", () => {
  const strange = [NaN, Infinity, -Infinity, 0, -1, 1e-45];

  it.each([
    ["int8", { granularity: "channel" }],
    ["int4", { doubleQuant: false, blockSize: 100 }],
    ["fp8-e5m2", { granularity: "channel" }],
  ] as const)("are computed with, by both kernel sets alike: %s %o", (quantType, options) => {
    const record = make({ quantType, ...options }) as QuantizedAffine | QuantizedFloat;
    const tampered = { ...record, scale: Float32Array.from(strange) } as typeof record;
    const [wasm, reference] = KERNELS.map((kernels) => dequantize(tampered, { kernels }));
    sameBytes(bytesOf(wasm as Float32Array), bytesOf(reference as Float32Array), quantType);
    expect((wasm as Float32Array).subarray(0, 100).every(Number.isNaN)).toBe(true);
  });

  it("are computed with in nested scales, too", () => {
    const record = make({ quantType: "uint4" }) as QuantizedAffine;
    for (const ranges of [
      [NaN, 1],
      [1, NaN],
      [Infinity, -1],
      [-1, -1],
      [1, Infinity],
      [0, 0],
    ]) {
      const nested = { blockSize: 256, ranges: Float32Array.from(ranges) };
      const tampered = { ...record, nested };
      const [wasm, reference] = KERNELS.map((kernels) => dequantize(tampered, { kernels }));
      sameBytes(bytesOf(wasm as Float32Array), bytesOf(reference as Float32Array), `${ranges}`);
    }
  });

  it("are NaN for the E8M0 byte 255 and the E4M3 byte 0x7f", () => {
    const mx = make({ quantType: "mxfp4" }) as QuantizedFloat;
    const nv = make({ quantType: "nvfp4" }) as QuantizedFloat;
    for (const kernels of KERNELS) {
      const bytes = { ...mx, scale: mx.scale.map((byte, i) => (i === 0 ? 255 : byte)) };
      const values = dequantize(bytes as QuantizedFloat, { kernels });
      expect(values.subarray(0, 32).every(Number.isNaN)).toBe(true);
      expect(values.subarray(32).every(Number.isFinite)).toBe(true);
      const scale = nv.scale.map((byte, i) => (i === 1 ? 0x7f : byte));
      const blocks = dequantize({ ...nv, scale } as QuantizedFloat, { kernels });
      expect(blocks.subarray(16, 32).every(Number.isNaN)).toBe(true);
      expect(blocks.subarray(0, 16).every(Number.isFinite)).toBe(true);
    }
  });

  it.each(["int8", "int4", "fp8-e4m3", "mxfp8", "nvfp4", "nf4"] as const)(
    "may come from another realm: %s",
    (quantType) => {
      const record = make({ quantType });
      const foreign = Object.fromEntries(
        Object.entries(record).map(([name, part]) => {
          if (!ArrayBuffer.isView(part)) return [name, part];
          const { name: kind } = part.constructor;
          const theirs = runInNewContext(`Array.isArray(values) && new ${kind}(values)`, {
            values: [...(part as Float32Array)],
          });
          expect(theirs).not.toBeInstanceOf(part.constructor);
          return [name, theirs];
        }),
      ) as unknown as QuantizedTensor;
      expect(dequantize(foreign)).toEqual(dequantize(record));
    },
  );

  it("may be of another signedness: codes are bytes", () => {
    const record = make({ quantType: "int8" }) as QuantizedAffine;
    const bytes = { ...record, codes: new Uint8Array(record.codes.buffer) };
    expect(dequantize(bytes)).toEqual(dequantize(record));
  });
});

describe("a wrong out", () => {
  it.each(["int8", "uint4", "nvfp4", "fp8-e4m3"] as const)(
    "is refused by name: %s",
    (quantType) => {
      const record = make({ quantType });
      for (const kernels of KERNELS) {
        const into = (out: unknown, dtype?: string) => () =>
          dequantize(record, { out, dtype, kernels } as never);
        expect(into(new Float32Array(599))).toThrow("out: expected 600 elements, received 599");
        expect(into(new Float32Array(601))).toThrow("out: expected 600 elements, received 601");
        expect(into(new Uint16Array(600))).toThrow(/dtype: expected "float16" or "bfloat16"/);
        expect(into(new Float64Array(600))).toThrow(/out: expected a Float32Array/);
        expect(into(new Float32Array(600), "float16")).toThrow(/dtype: expected "float32"/);
        expect(into(undefined, "float64")).toThrow(/dtype: expected "float32" or "float16"/);
      }
    },
  );
});
