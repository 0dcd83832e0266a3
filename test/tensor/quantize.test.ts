import { describe, expect, it } from "vitest";
import {
  ArgumentError,
  dequantize,
  NonFiniteError,
  PlanError,
  type Quantized4Bit,
  type QuantizedTensor,
  type QuantizeOptions,
  quantize,
} from "../../src/index.ts";
import { normalFloats } from "../checkpoint/safetensors-files.ts";
import { COLUMNS, ROWS, record, shape, TYPES, weights } from "./types.ts";

/** The top half of each f32's bits. */
function asBf16(values: Float32Array): Uint16Array<ArrayBuffer> {
  return Uint16Array.from(new Uint32Array(values.slice().buffer), (bits) => bits >>> 16);
}

describe.each(TYPES)("a record of %s", (_, options) => {
  it("survives structuredClone, and decodes to the same weights", () => {
    const original = record(options);
    const clone = structuredClone(original);
    expect(clone).toEqual(original);
    expect(dequantize(clone)).toEqual(dequantize(original));
  });

  it("says what it is and which kernels ran", () => {
    for (const kernels of ["wasm", "reference"] as const) {
      const made = record({ ...options, kernels });
      expect(made).toMatchObject({
        quantType: options.quantType,
        shape,
        dtype: "float32",
        kernels: { name: kernels },
      });
    }
  });

  it("is the same on both kernel sets", () => {
    const onWasm = record({ ...options, kernels: "wasm" });
    const onReference = record({ ...options, kernels: "reference" });
    expect({ ...onWasm, kernels: undefined }).toEqual({ ...onReference, kernels: undefined });
    expect(dequantize(onWasm, { kernels: "wasm" })).toEqual(
      dequantize(onWasm, { kernels: "reference" }),
    );
  });

  it("goes out as every dtype, into the caller's array or a new one", () => {
    const made = record(options);
    const values = dequantize(made);
    expect(values).toBeInstanceOf(Float32Array);
    expect(values).toHaveLength(weights.length);
    const mine = new Float32Array(weights.length);
    expect(dequantize(made, { out: mine })).toBe(mine);
    expect(mine).toEqual(values);
    for (const dtype of ["float16", "bfloat16"] as const) {
      const fresh = dequantize(made, { dtype });
      expect(fresh).toBeInstanceOf(Uint16Array);
      // A place inside a larger array: its neighbours stay.
      const larger = new Uint16Array(weights.length + 6).fill(0xabcd);
      const out = larger.subarray(3, 3 + weights.length);
      expect(dequantize(made, { dtype, out })).toBe(out);
      expect(out).toEqual(fresh);
      expect([...larger.subarray(0, 3), ...larger.subarray(-3)]).toEqual(Array(6).fill(0xabcd));
    }
    const narrowed = dequantize(made, { dtype: "bfloat16" });
    narrowed.forEach((bits, i) => {
      const value = new Float32Array(Uint32Array.of(bits << 16).buffer)[0] as number;
      expect(Math.abs(value - (values[i] as number))).toBeLessThanOrEqual(
        Math.abs(values[i] as number) / 256,
      );
    });
  });

  it("leaves the weights alone and keeps nothing of them", () => {
    const input = weights.slice();
    const made = record(options, input);
    expect(input).toEqual(weights);
    const before = structuredClone(made);
    input.fill(7);
    record({ quantType: "nf4" }, input);
    expect(made).toEqual(before);
  });

  it("comes near the weights", () => {
    const values = dequantize(record(options));
    const isOutlier = options.threshold !== undefined;
    let error = 0;
    let energy = 0;
    for (const [i, weight] of weights.entries()) {
      error += (weight - (values[i] as number)) ** 2;
      energy += weight ** 2;
    }
    expect(Math.sqrt(error / energy)).toBeLessThan(isOutlier ? 1 : 0.2);
  });
});

describe("weights", () => {
  it("may be bfloat16 and float16 bits", () => {
    const bits = asBf16(weights);
    const exact = new Float32Array(Uint32Array.from(bits, (half) => half << 16).buffer);
    const fromBits = quantize(bits, { dtype: "bfloat16" });
    const fromFloats = quantize(exact);
    expect(fromBits.codes).toEqual(fromFloats.codes);
    expect(fromBits.dtype).toBe("bfloat16");
    const halves = Uint16Array.of(0x3c00, 0xbc00, 0x3800, 0);
    const made = quantize(halves, { dtype: "float16", doubleQuant: false });
    expect([...dequantize(made)].slice(0, 2)).toEqual([1, -1]);
    expect(made.dtype).toBe("float16");
  });

  it("may be any view, at any place of its buffer", () => {
    const larger = new Float32Array(weights.length + 5);
    larger.set(weights, 5);
    const made = quantize(larger.subarray(5), { shape });
    expect(made.codes).toEqual(record({}).codes);
  });

  const Float16Array = (globalThis as { Float16Array?: new (values: Iterable<number>) => never })
    .Float16Array;

  it.runIf(Float16Array !== undefined)(
    "may be a Float16Array (skipped before Node 24, which has none)",
    () => {
      const halves = new (Float16Array as NonNullable<typeof Float16Array>)([1, -1, 0.5, 0]);
      const made = quantize(halves, { doubleQuant: false });
      expect(made.dtype).toBe("float16");
      expect([...dequantize(made)].slice(0, 2)).toEqual([1, -1]);
    },
  );

  it("are taken by tag, so that a stand-in for Float16Array shows the way on older runtimes", () => {
    const halves = Uint16Array.of(0x3c00, 0xbc00);
    Object.defineProperty(halves, Symbol.toStringTag, { value: "Float16Array" });
    expect(quantize(halves, { doubleQuant: false }).dtype).toBe("float16");
    expect(() => quantize(halves, { dtype: "bfloat16" })).toThrow(ArgumentError);
  });

  it.each(TYPES)("may be a single one: %s", (_, options) => {
    const made = quantize(Float32Array.of(0.25), { ...options, shape: [1, 1] });
    const [value] = dequantize(made);
    expect(value).toBeCloseTo(options.threshold === undefined ? 0.25 : 0, 6);
  });

  it.each(TYPES)("may be none: %s", (_, options) => {
    for (const empty of [
      [0, 4],
      [4, 0],
    ]) {
      const made = quantize(new Float32Array(0), { ...options, shape: empty });
      expect(made.codes).toHaveLength(0);
      expect(dequantize(made)).toHaveLength(0);
      expect(structuredClone(made)).toEqual(made);
    }
  });

  it("may be more than one tile", () => {
    const count = 700_001;
    const many = normalFloats(count, 9);
    const onWasm = quantize(many, { kernels: "wasm" });
    const onReference = quantize(many, { kernels: "reference" });
    expect(Buffer.compare(onWasm.codes, onReference.codes)).toBe(0);
    expect(onWasm.nested).toEqual(onReference.nested);
    const a = dequantize(onWasm, { kernels: "wasm" });
    const b = dequantize(onWasm, { kernels: "reference" });
    expect(Buffer.compare(new Uint8Array(a.buffer), new Uint8Array(b.buffer))).toBe(0);
  });
});

describe("bfloat16 output", () => {
  it("is rounded to nearest even, once, from f32", () => {
    const value = 1 + 3 / 256;
    const made = quantize(Float32Array.of(value, -value), { doubleQuant: false });
    const [bits] = dequantize(made, { dtype: "bfloat16" });
    // 1.01171875 lies halfway between 0x3f81 and 0x3f82.
    expect(bits).toBe(0x3f82);
  });
});

describe("wrong options", () => {
  const wrong: readonly (readonly [
    argument: string,
    options: Record<string, unknown>,
    got: string,
    allowed: string,
  ])[] = [
    ["quantType", { quantType: "int3" }, '"int3"', '"nf4" or "fp4" or "af4"'],
    ["blockSize", { blockSize: 48 }, "48", "32, 64, 128, 256, 512, 1024, 2048, 4096"],
    ["blockSize", { quantType: "dynamic8", blockSize: 0 }, "0", "≥ 1"],
    ["blockSize", { quantType: "dynamic8", blockSize: 1.5 }, "1.5", "≥ 1"],
    ["blockSize", { quantType: "llm-int8", shape, blockSize: 64 }, "64", "none for llm-int8"],
    ["mode", { mode: "rocm" }, '"rocm"', '"torch" or "cuda"'],
    ["kernels", { kernels: "gpu" }, '"gpu"', '"auto" or "wasm" or "reference"'],
    ["quantStorage", { quantStorage: "int8" }, '"int8"', '"uint8" or "float32"'],
    ["quantStorage", { quantType: "dynamic8", quantStorage: "float16" }, "float16", '"uint8"'],
    ["doubleQuant", { quantType: "dynamic8", doubleQuant: true }, "true", "false for dynamic8"],
    ["dtype", { dtype: "bfloat16" }, '"bfloat16"', '"float32" for a Float32Array'],
    ["shape", { shape: [3, 5] }, "[3, 5]", `${ROWS * COLUMNS}`],
    ["shape", { shape: [-1, -780] }, "[-1, -780]", "≥ 0"],
    ["shape", { shape: [1.5, 520] }, "[1.5, 520]", "whole"],
    ["shape", { quantType: "llm-int8" }, `[${ROWS * COLUMNS}]`, "[rows, columns]"],
    ["threshold", { quantType: "llm-int8", shape, threshold: -1 }, "-1", "≥ 0"],
    ["threshold", { quantType: "llm-int8", shape, threshold: NaN }, "NaN", "≥ 0"],
    ["code", { code: new Float32Array(256) }, "Float32Array", "none for nf4"],
    ["code", { quantType: "dynamic8", code: new Float32Array(16) }, "16 levels", "256"],
    [
      "code",
      { quantType: "dynamic8", code: Float32Array.from({ length: 256 }, (_, i) => -i) },
      "256 levels",
      "ascending",
    ],
  ];

  it.each(wrong)("%s: %o", (argument, options, got, allowed) => {
    const act = () => quantize(weights, options as QuantizeOptions);
    expect(act).toThrow(ArgumentError);
    expect(act).toThrow(expect.objectContaining({ code: "ARGUMENT", argument }));
    expect(act).toThrow(got);
    expect(act).toThrow(allowed);
  });

  it.each([
    ["a plain array", [1, 2, 3], "Array"],
    ["nothing", undefined, "Undefined"],
    ["doubles", new Float64Array(3), "Float64Array"],
    ["bytes", new Uint8Array(3), "Uint8Array"],
    ["a buffer", new ArrayBuffer(8), "ArrayBuffer"],
  ])("weights: %s", (_, input, got) => {
    const act = () => quantize(input as unknown as Float32Array);
    expect(act).toThrow(expect.objectContaining({ code: "ARGUMENT", argument: "weights" }));
    expect(act).toThrow(got);
    expect(act).toThrow(/Float32Array, a Float16Array, or a Uint16Array/);
  });

  it("asks for the dtype of 16-bit words", () => {
    const act = () => quantize(new Uint16Array(4));
    expect(act).toThrow(/dtype: expected "float16" or "bfloat16" for a Uint16Array/);
  });

  it("refuses packed bytes that do not divide into the storage dtype", () => {
    const act = () => quantize(new Float32Array(6), { quantStorage: "float32" });
    expect(act).toThrow(PlanError);
    expect(act).toThrow(/3 packed bytes do not divide into float32 elements of 4 bytes/);
  });
});

describe("a wrong record or output", () => {
  const made = record({}) as Quantized4Bit;

  it.each([
    ["quantized.quantType", { ...made, quantType: "q4" }],
    ["quantized.codes", { ...made, codes: made.codes.subarray(1) }],
    ["quantized.absmax", { ...made, absmax: made.absmax.subarray(1) }],
    ["quantized.nested", { ...made, nested: undefined }],
    ["quantized.nested", { ...made, absmax: new Float32Array(made.absmax.length) }],
    ["quantized.blockSize", { ...made, blockSize: 63 }],
    ["shape", { ...made, shape: [-1] }],
    ["quantized.shape", { ...record({ quantType: "llm-int8" }), shape: [ROWS * COLUMNS] }],
    ["quantized.scb", { ...record({ quantType: "llm-int8" }), scb: new Float32Array(2) }],
    ["quantized.code", { ...record({ quantType: "dynamic8" }), code: new Float32Array(3) }],
  ])("%s", (argument, wrong) => {
    expect(() => dequantize(wrong as QuantizedTensor)).toThrow(
      expect.objectContaining({ code: "ARGUMENT", argument }),
    );
  });

  it("says how long `out` must be, and of which type", () => {
    const act = () => dequantize(made, { out: new Float32Array(3) });
    expect(act).toThrow(`out: expected ${ROWS * COLUMNS} elements, received 3`);
    const words = new Uint16Array(ROWS * COLUMNS);
    expect(() => dequantize(made, { out: words })).toThrow(/dtype: expected "float16"/);
    const doubles = new Float64Array(ROWS * COLUMNS) as unknown as Float32Array;
    expect(() => dequantize(made, { out: doubles })).toThrow(/out: expected a Float32Array/);
    const floats = new Float32Array(ROWS * COLUMNS);
    expect(() => dequantize(made, { out: floats, dtype: "float16" })).toThrow(/dtype: expected/);
  });
});

describe("NaN and infinity", () => {
  const places = [0, 63, 64, 129, 130, 779];
  const FINITE_TYPES = TYPES.filter(([, { threshold }]) => threshold === undefined);

  it.each(FINITE_TYPES)("are refused with their index: %s", (_, options) => {
    for (const kernels of ["wasm", "reference"] as const) {
      for (const bad of [NaN, Infinity, -Infinity]) {
        for (const index of places) {
          const input = weights.slice();
          input[index] = bad;
          input[779] = bad;
          const act = () => record({ ...options, kernels }, input);
          expect(act).toThrow(NonFiniteError);
          expect(act).toThrow(expect.objectContaining({ index, tensor: undefined }));
          expect(act).toThrow(`element ${index} is ${bad}`);
        }
      }
    }
  });

  it.each(FINITE_TYPES)("are let through when allowed: %s", (_, options) => {
    const input = weights.slice();
    input[70] = NaN;
    const made = record({ ...options, allowNonFinite: true }, input);
    const values = dequantize(made);
    expect(values[779]).toBeTypeOf("number");
    expect(dequantize(made).length).toBe(weights.length);
  });

  it("is refused among outliers too", () => {
    const input = weights.slice();
    input[70] = Infinity;
    expect(() => record({ quantType: "llm-int8", threshold: 6 }, input)).toThrow(NonFiniteError);
  });

  it("means float16's range for LLM.int8", () => {
    const input = weights.slice();
    input[131] = 65_520;
    const options: QuantizeOptions = { quantType: "llm-int8" };
    expect(() => record(options, input)).toThrow(/element 131 is 65520, which float16 cannot hold/);
    input[131] = 65_519;
    expect(dequantize(record(options, input))).toHaveLength(weights.length);
  });
});

describe("double quantization", () => {
  it("takes the caller's offset instead of the mean", () => {
    const made = quantize(weights, { nestedOffset: 0.0625 });
    expect(made.nested?.offset).toBe(0.0625);
    const own = quantize(weights);
    expect(own.nested?.offset).toBe(Math.fround(own.nested?.offset as number));
    expect(made.codes).toEqual(own.codes);
  });

  it("restores equal absmax exactly", () => {
    const constant = new Float32Array(64 * 300).fill(0.0371);
    const values = dequantize(quantize(constant));
    expect(new Set(values)).toEqual(new Set([Math.fround(0.0371)]));
  });
});
