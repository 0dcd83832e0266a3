import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { f32ToBf16, f32ToF16 } from "../../src/foundation/half.ts";
import {
  ArgumentError,
  calibrationRanges,
  dequantizeEmbeddings,
  dotProducts,
  type EmbeddingPrecision,
  type EmbeddingRanges,
  type FloatArray,
  hammingDistances,
  NonFiniteError,
  type QuantizedEmbeddings,
  type QuantizeEmbeddingsOptions,
  quantizeEmbeddings,
} from "../../src/index.ts";
import { normalFloats } from "../checkpoint/safetensors-files.ts";
import { embeddingCases, type GoldenEmbeddings } from "./embedding-vectors.ts";

const PRECISIONS = ["int8", "uint8", "binary", "ubinary"] as const;
const KERNELS = ["wasm", "reference"] as const;

const DIMENSIONS = 44;
const ROWS = 30;
const embeddings = normalFloats(ROWS * DIMENSIONS, 9);

/** Whatever the precision's own type is. */
function record(
  precision: EmbeddingPrecision,
  options: Partial<QuantizeEmbeddingsOptions> = {},
  input: FloatArray = embeddings,
): QuantizedEmbeddings {
  const made = quantizeEmbeddings(input, { dimensions: DIMENSIONS, precision, ...options });
  return made as QuantizedEmbeddings;
}

describe.each(KERNELS)("as sentence-transformers quantizes: %s", (kernels) => {
  it.each(embeddingCases())("$id", (golden) => {
    const { precision, array, dimensions, dtype, calibration, ranges } = golden;
    const given = { ...(calibration && { calibration }), ...(ranges && { ranges }) };
    const options = { precision, dimensions, kernels, ...(dtype && { dtype }), ...given };
    const made = quantizeEmbeddings(array, options) as QuantizedEmbeddings;
    expect(made.shape).toEqual(golden.codes.shape);
    expect(made.codes).toEqual(golden.codes.array);
    if (golden.expectedRanges !== undefined) {
      expect((made as { ranges: EmbeddingRanges }).ranges).toEqual(golden.expectedRanges);
    }
    if (golden.dequantized !== undefined) {
      expect(dequantizeEmbeddings(made, { kernels })).toEqual(golden.dequantized);
    }
  });

  it("has cases of every kind", () => {
    const golden: readonly GoldenEmbeddings[] = embeddingCases();
    expect(golden.length).toBeGreaterThan(50);
    for (const precision of PRECISIONS) {
      expect(golden.filter((g) => g.precision === precision).length).toBeGreaterThan(10);
    }
    expect(golden.filter((g) => g.dequantized !== undefined).length).toBeGreaterThan(20);
  });
});

describe.each(PRECISIONS)("a record of %s", (precision) => {
  it("survives structuredClone, and says what it is and which kernels ran", () => {
    for (const kernels of KERNELS) {
      const made = record(precision, { kernels });
      expect(structuredClone(made)).toEqual(made);
      expect(made).toMatchObject({
        precision,
        shape: [ROWS, precision.endsWith("binary") ? 6 : DIMENSIONS],
        dimensions: DIMENSIONS,
        kernels: { name: kernels },
      });
      expect(dequantizeEmbeddings(structuredClone(made))).toEqual(dequantizeEmbeddings(made));
    }
  });

  it("is the same on both kernel sets, and so are its values and scores", () => {
    const [onWasm, onReference] = KERNELS.map((kernels) => record(precision, { kernels }));
    expect({ ...onWasm, kernels: 0 }).toEqual({ ...onReference, kernels: 0 });
    const made = onWasm as QuantizedEmbeddings;
    expect(dequantizeEmbeddings(made, { kernels: "wasm" })).toEqual(
      dequantizeEmbeddings(made, { kernels: "reference" }),
    );
    const query = embeddings.subarray(0, DIMENSIONS);
    expect(dotProducts(query, made, { kernels: "wasm" })).toEqual(
      dotProducts(query, made, { kernels: "reference" }),
    );
  });

  it("is made of tiles like of one piece", () => {
    const dimensions = 389;
    const rowCount = 1500;
    const many = normalFloats(rowCount * dimensions, 4);
    const ranges = calibrationRanges(many, { dimensions });
    const scalar = precision === "int8" || precision === "uint8" ? { ranges } : {};
    const whole = record(precision, { dimensions, ...scalar }, many);
    const values = dequantizeEmbeddings(whole);
    for (const row of [0, 672, 673, 674, 1348, 1499]) {
      const one = many.subarray(row * dimensions, (row + 1) * dimensions);
      const alone = record(precision, { dimensions, ...scalar }, one);
      const columns = whole.shape[1];
      expect(whole.codes.slice(row * columns, (row + 1) * columns)).toEqual(alone.codes);
      expect(values.slice(row * dimensions, (row + 1) * dimensions)).toEqual(
        dequantizeEmbeddings(alone),
      );
    }
  });

  it("leaves its input alone, and takes it from inside a larger array", () => {
    const larger = normalFloats(1000, 2);
    const before = larger.slice();
    const part = larger.subarray(3, 3 + 5 * DIMENSIONS);
    expect(record(precision, {}, part)).toEqual(record(precision, {}, part.slice()));
    expect(larger).toEqual(before);
  });

  it("of 16-bit floats is that of the same values in f32", () => {
    for (const [dtype, narrow, widen] of [
      ["float16", f32ToF16, (bits: number) => halfToFloat(bits)],
      ["bfloat16", f32ToBf16, (bits: number) => bfloatToFloat(bits)],
    ] as const) {
      const bits = Uint16Array.from(embeddings, narrow);
      const floats = Float32Array.from(bits, widen);
      expect(record(precision, { dtype }, bits)).toEqual(record(precision, {}, floats));
    }
  });
});

describe("ranges", () => {
  it("grow part by part, in any order, to those of the whole", () => {
    const whole = calibrationRanges(embeddings, { dimensions: DIMENSIONS });
    const size = 7 * DIMENSIONS;
    for (const starts of [
      [0, 7, 14, 21, 28],
      [28, 14, 0, 21, 7],
    ]) {
      let ranges: EmbeddingRanges | undefined;
      for (const start of starts) {
        const part = embeddings.subarray(start * DIMENSIONS, start * DIMENSIONS + size);
        ranges = calibrationRanges(part, { dimensions: DIMENSIONS, ranges });
      }
      expect(ranges).toEqual(whole);
    }
  });

  it("of two parts make one: a min and a max are embeddings themselves", () => {
    const half = 15 * DIMENSIONS;
    const options = { dimensions: DIMENSIONS };
    const a = calibrationRanges(embeddings.subarray(0, half), options);
    const b = calibrationRanges(embeddings.subarray(half), options);
    const merged = calibrationRanges(Float32Array.of(...a.min, ...a.max), {
      ...options,
      ranges: b,
    });
    expect(merged).toEqual(calibrationRanges(embeddings, options));
  });

  it("given, calibrated or the embeddings' own: the same codes where they are equal", () => {
    const ranges = calibrationRanges(embeddings, { dimensions: DIMENSIONS });
    const own = record("int8");
    expect(record("int8", { ranges })).toEqual(own);
    expect(record("int8", { calibration: embeddings })).toEqual(own);
  });

  it("are copied into the record, and left alone", () => {
    const ranges = calibrationRanges(embeddings, { dimensions: DIMENSIONS });
    const made = quantizeEmbeddings(embeddings, {
      precision: "int8",
      dimensions: DIMENSIONS,
      ranges,
    });
    expect(made.ranges.min).not.toBe(ranges.min);
    ranges.min.fill(-100);
    expect(made.ranges.min[0]).not.toBe(-100);
  });

  it("that are narrower than the embeddings clip, and never wrap", () => {
    const ranges = { min: new Float32Array(DIMENSIONS), max: new Float32Array(DIMENSIONS).fill(1) };
    const made = record("uint8", { ranges });
    embeddings.forEach((value, i) => {
      if (value < 0) expect(made.codes[i]).toBe(0);
      if (value >= 1) expect(made.codes[i]).toBe(255);
    });
    const far = Float32Array.of(-3e38, 3e38, 1e30, -1e30);
    const unit = { min: Float32Array.of(0), max: Float32Array.of(1) };
    const clipped = record("int8", { dimensions: 1, ranges: unit }, far);
    expect([...clipped.codes]).toEqual([-128, 127, 127, -128]);
  });

  it("of a constant dimension give code 0, which expands to the constant", () => {
    const constant = new Float32Array(6).fill(0.3);
    const made = record("int8", { dimensions: 2 }, constant);
    expect([...made.codes]).toEqual(new Array(6).fill(-128));
    expect(dequantizeEmbeddings(made)).toEqual(constant);
  });
});

describe("dequantized embeddings", () => {
  it("are below what they were by less than a step, within the rounding", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 2, max: 12 }),
        fc.infiniteStream(fc.float({ noNaN: true, min: -100, max: 100 })),
        fc.constantFrom("int8" as const, "uint8" as const),
        fc.constantFrom(...KERNELS),
        (dimensions, rows, stream, precision, kernels) => {
          const values = Float32Array.from(stream.take(rows * dimensions));
          const options = { precision, dimensions, kernels } as const;
          const made = quantizeEmbeddings(values, options);
          const { min, max } = made.ranges;
          dequantizeEmbeddings(made, { kernels }).forEach((back, i) => {
            const [low, high] = [min[i % dimensions] as number, max[i % dimensions] as number];
            const step = (high - low) / 255;
            // A step that is subnormal was rounded by up to half of itself.
            const slack = (Math.abs(low) + Math.abs(high)) * 2 ** -22 + 2 ** -140;
            const lost = (values[i] as number) - back;
            expect(lost).toBeGreaterThanOrEqual(-slack);
            expect(lost).toBeLessThanOrEqual(step + slack);
          });
        },
      ),
    );
  });

  it("of bits are the signs", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 70 }),
        fc.nat(5),
        fc.infiniteStream(fc.float({ noNaN: true, noDefaultInfinity: true })),
        fc.constantFrom("binary" as const, "ubinary" as const),
        fc.constantFrom(...KERNELS),
        (dimensions, rows, stream, precision, kernels) => {
          const values = Float32Array.from(stream.take(rows * dimensions));
          const made = quantizeEmbeddings(values, { precision, dimensions, kernels });
          expect(dequantizeEmbeddings(made)).toEqual(values.map((x) => (x > 0 ? 1 : -1)));
        },
      ),
    );
  });
});

describe("Hamming distances", () => {
  const BINARY = ["binary", "ubinary"] as const;

  it.each(BINARY)("count the signs that differ: %s", (precision) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 9 }),
        fc.nat(),
        fc.constantFrom(...KERNELS),
        (dimensions, rowCount, seed, kernels) => {
          const values = normalFloats(rowCount * dimensions, seed);
          const made = quantizeEmbeddings(values, { precision, dimensions, kernels });
          const query = normalFloats(dimensions, seed + 1);
          const { codes } = quantizeEmbeddings(query, { precision, dimensions });
          const distances = hammingDistances(codes, made, { kernels });
          for (let row = 0; row < rowCount; row++) {
            const differing = query.filter(
              (x, i) => x > 0 !== (values[row * dimensions + i] as number) > 0,
            );
            expect(distances[row]).toBe(differing.length);
          }
        },
      ),
    );
  });

  it("come in the order of the rows that were asked for, over more than one tile", () => {
    const dimensions = 4096;
    const values = normalFloats(64 * dimensions, 6);
    const few = quantizeEmbeddings(values, { precision: "ubinary", dimensions });
    // 2,560 rows of 512 bytes, more than 1 MB.
    const codes = new Uint8Array(40 * few.codes.length);
    for (let copy = 0; copy < 40; copy++) codes.set(few.codes, copy * few.codes.length);
    const many = { ...few, shape: [2560, 512] as const, codes };
    const query = few.codes.subarray(5 * 512, 6 * 512);
    const once = hammingDistances(query, few);
    expect(once[5]).toBe(0);
    const all = hammingDistances(query, many);
    expect(all).toEqual(Int32Array.from({ length: 2560 }, (_, row) => once[row % 64] as number));
    const rows = Uint32Array.from({ length: 2500 }, (_, i) => (i * 919) % 2560);
    expect(hammingDistances(query, many, { rows })).toEqual(
      Int32Array.from(rows, (row) => all[row] as number),
    );
    expect(hammingDistances(query, many, { rows: [] })).toHaveLength(0);
  });
});

describe("dot products", () => {
  const query = normalFloats(DIMENSIONS, 21);

  it.each(PRECISIONS)("are those of the expanded rows: %s", (precision) => {
    const made = record(precision);
    const values = dequantizeEmbeddings(made);
    for (const kernels of KERNELS) {
      const dots = dotProducts(query, made, { kernels });
      dots.forEach((dot, row) => {
        const one = values.subarray(row * DIMENSIONS, (row + 1) * DIMENSIONS);
        const exact = one.reduce((sum, x, i) => sum + x * (query[i] as number), 0);
        const size = one.reduce((sum, x, i) => sum + Math.abs(x * (query[i] as number)), 0);
        expect(Math.abs(dot - exact)).toBeLessThan(size * 2 ** -20);
      });
    }
  });

  it.each(PRECISIONS)("of some rows only, in their order, over more than one tile: %s", (name) => {
    const dimensions = 1024;
    const values = normalFloats(2100 * dimensions, 8);
    const made = record(name, { dimensions }, values);
    const long = normalFloats(dimensions, 1);
    const all = dotProducts(long, made);
    const rows = [2099, 0, 1023, 1024, 1025, 0, ...Array.from({ length: 1100 }, (_, i) => i)];
    expect(dotProducts(long, made, { rows })).toEqual(
      Float32Array.from(rows, (row) => all[row] as number),
    );
  });

  it("take a query of 16-bit floats", () => {
    const bits = Uint16Array.from(query, f32ToBf16);
    const floats = Float32Array.from(bits, bfloatToFloat);
    const made = record("int8");
    expect(dotProducts(bits, made, { dtype: "bfloat16" })).toEqual(dotProducts(floats, made));
  });
});

describe("NaN and infinity", () => {
  it.each(PRECISIONS)("are refused with their place: %s", (precision) => {
    for (const kernels of KERNELS) {
      for (const bad of [NaN, Infinity, -Infinity]) {
        for (const index of [0, 43, 44, 700, ROWS * DIMENSIONS - 1]) {
          const input = embeddings.slice();
          input[index] = bad;
          input[ROWS * DIMENSIONS - 1] = bad;
          const act = () => record(precision, { kernels }, input);
          expect(act).toThrow(NonFiniteError);
          expect(act).toThrow(expect.objectContaining({ index, code: "NON_FINITE" }));
          const place = `row ${Math.floor(index / 44)}, dimension ${index % 44}`;
          expect(act).toThrow(
            `embeddings: element ${index} (${place}) is ${bad}; expected a finite number`,
          );
        }
      }
    }
  });

  it("are refused with their index in later tiles, and in 16-bit floats", () => {
    const bits = new Uint16Array(2_000_000);
    bits[1_700_001] = 0x7f80;
    const act = () => record("binary", { dimensions: 16, dtype: "bfloat16" }, bits);
    expect(act).toThrow(expect.objectContaining({ index: 1_700_001 }));
  });

  it("are refused in a calibration, a sample and a query", () => {
    const bad = embeddings.slice();
    bad[50] = NaN;
    expect(() => record("int8", { calibration: bad })).toThrow(/^calibration: element 50 /);
    expect(() => calibrationRanges(bad, { dimensions: DIMENSIONS })).toThrow(
      /^embeddings: element/,
    );
    const query = new Float32Array(DIMENSIONS).fill(Infinity);
    expect(() => dotProducts(query, record("int8"))).toThrow(/^query: element 0 .* is Infinity/);
  });
});

describe("wrong options", () => {
  const ranges = calibrationRanges(embeddings, { dimensions: DIMENSIONS });
  const changed = (part: "min" | "max", dimension: number, value: number) => {
    const copy = { min: ranges.min.slice(), max: ranges.max.slice() };
    copy[part][dimension] = value;
    return copy;
  };
  const wrong: readonly (readonly [string, string, string, Record<string, unknown>])[] = [
    ["precision", '"float32"', '"int8" or "uint8" or "binary"', { precision: "float32" }],
    ["precision", "undefined", '"ubinary"', { precision: undefined }],
    ["dimensions", "undefined", "≥ 1", { dimensions: undefined }],
    ["dimensions", "0", "≥ 1", { dimensions: 0 }],
    ["dimensions", "1.5", "whole", { dimensions: 1.5 }],
    ["embeddings", "1320", "a multiple of 43", { dimensions: 43 }],
    ["dtype", '"float16"', '"float32" for a Float32Array', { dtype: "float16" }],
    ["kernels", '"gpu"', '"auto"', { kernels: "gpu" }],
    ["ranges", "[object", "none for binary", { precision: "binary", ranges }],
    ["calibration", "Float32Array", "none for", { precision: "ubinary", calibration: embeddings }],
    ["calibration", "Float32Array", "none beside ranges", { ranges, calibration: embeddings }],
    ["calibration", "45", "a multiple of 44", { calibration: new Float32Array(45) }],
    ["calibration", "0", "at least one", { calibration: new Float32Array() }],
    ["dtype", "undefined", '"float16" or "bfloat16"', { calibration: new Uint16Array(44) }],
    ["ranges.min", "undefined", "Float32Array of 44", { ranges: { max: ranges.max } }],
    ["ranges.min", "undefined", "Float32Array of 44", { ranges: null }],
    ["ranges.max", "[", "Float32Array of 44", { ranges: { ...ranges, max: [...ranges.max] } }],
    ["ranges.max", "12 bytes", "44 elements", { ranges: { ...ranges, max: new Float32Array(3) } }],
    ["ranges", "min 50 and max", "min ≤ max", { ranges: changed("min", 7, 50) }],
    ["ranges", "max NaN in dimension 9", "finite", { ranges: changed("max", 9, NaN) }],
    ["ranges", "in dimension 9", "finite", { ranges: changed("max", 9, Infinity) }],
  ];

  it.each(wrong)("%s: received %s, expected %s", (argument, got, allowed, options) => {
    const act = () => record("int8", options as Partial<QuantizeEmbeddingsOptions>);
    expect(act).toThrow(ArgumentError);
    expect(act).toThrow(expect.objectContaining({ argument }));
    expect(act).toThrow(got);
    expect(act).toThrow(allowed);
  });

  it("an array that holds no floats", () => {
    const act = () => record("int8", {}, [1, 2] as unknown as Float32Array);
    expect(act).toThrow(/^embeddings: expected a Float32Array, .*received "Array"/);
  });

  it("a single embedding without ranges, as sentence-transformers refuses it", () => {
    const one = embeddings.subarray(0, DIMENSIONS);
    expect(() => record("uint8", {}, one)).toThrow(/^ranges: .*a calibration for a single embed/);
    expect(record("uint8", { ranges }, one).shape).toEqual([1, DIMENSIONS]);
    expect(record("uint8", { calibration: one }, one).shape).toEqual([1, DIMENSIONS]);
  });

  it("ranges wider than float32 holds, named by where they come from", () => {
    const wide = Float32Array.of(-3e38, 3e38);
    expect(() => record("int8", { dimensions: 1 }, wide)).toThrow(
      /^embeddings: .*finite in float32, received "min -3.*dimension 0"/,
    );
    const options = { dimensions: 1, calibration: wide };
    expect(() => record("int8", options, wide)).toThrow(/^calibration: /);
  });

  it("a sample of nothing", () => {
    const none = new Float32Array();
    const act = () => calibrationRanges(none, { dimensions: 4 });
    expect(act).toThrow(/^embeddings: expected at least one embedding, received 0/);
    expect(calibrationRanges(none, { dimensions: DIMENSIONS, ranges })).toEqual(ranges);
  });
});

describe("a wrong record or query", () => {
  const scalar = record("int8");
  const binary = record("binary");

  it.each([
    ["record", null],
    ["record.precision", { ...scalar, precision: "int4" }],
    ["record.dimensions", { ...scalar, dimensions: 0 }],
    ["record.shape", { ...scalar, shape: [ROWS] }],
    ["record.shape", { ...scalar, shape: [-1, DIMENSIONS] }],
    ["record.shape", { ...binary, shape: [ROWS, DIMENSIONS] }],
    ["record.codes", { ...scalar, codes: scalar.codes.subarray(1) }],
    ["record.codes", { ...scalar, codes: new Uint8Array(scalar.codes.length) }],
    ["record.ranges.min", { ...scalar, ranges: undefined }],
  ])("%s", (argument, wrong) => {
    const act = () => dequantizeEmbeddings(wrong as QuantizedEmbeddings);
    expect(act).toThrow(expect.objectContaining({ code: "ARGUMENT", argument }));
  });

  it("of Hamming distances", () => {
    const made = quantizeEmbeddings(embeddings, { precision: "ubinary", dimensions: DIMENSIONS });
    expect(() => hammingDistances(new Uint8Array(5), made)).toThrow(
      "query: expected Uint8Array of 6 elements: one ubinary embedding, received Uint8Array(5 bytes)",
    );
    expect(() => hammingDistances(new Int8Array(6), made)).toThrow(/^query: expected Uint8Array/);
    const query = new Int8Array(DIMENSIONS);
    expect(() => hammingDistances(query, scalar as never)).toThrow(/^record\.precision: .*"int8"/);
    for (const rows of [[ROWS], [-1], [0.5], [NaN]]) {
      const act = () => hammingDistances(new Uint8Array(6), made, { rows });
      expect(act).toThrow(`rows: expected whole numbers from 0 to 29, received "${rows} at 0"`);
    }
  });

  it("of dot products", () => {
    const act = () => dotProducts(new Float32Array(2 * DIMENSIONS), scalar);
    expect(act).toThrow(/^query: expected 44 elements: one embedding, received Float32Array\(352/);
    expect(() => dotProducts(new Float32Array(7), scalar)).toThrow(/^query: .*multiple of 44/);
  });
});

function halfToFloat(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const size = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
  return bits & 0x8000 ? -size : size;
}

function bfloatToFloat(bits: number): number {
  return new Float32Array(Uint32Array.of(bits << 16).buffer)[0] as number;
}
