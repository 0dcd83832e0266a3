/** Weights that are not ordinary: what docs/schemes.md says becomes of them, on both kernel sets. */

import { describe, expect, it } from "vitest";
import { dequantize, NonFiniteError, type QuantizedFloat } from "../../src/index.ts";
import { AFFINE_TYPES, SCALED_TYPES, type ScaledOptions } from "./random-tensors.ts";
import {
  expectSame,
  KERNELS,
  quantizeScaled,
  type ScaledRecord,
  zeroPointsOf,
} from "./scaled-records.ts";

type Options = Omit<ScaledOptions, "shape"> & { readonly shape?: readonly number[] };

const plain = { doubleQuant: false } as const;

/** Records of both kernel sets, which are also what plain loops make; the first one. */
function recordOf(weights: readonly number[], options: Options): ScaledRecord {
  const values = Float32Array.from(weights);
  const complete = { shape: [values.length], ...options };
  expectSame(values, values, "float32", complete);
  return quantizeScaled(values, complete);
}

function restoredOf(record: ScaledRecord): number[] {
  return [...dequantize(record)];
}

describe("a single weight", () => {
  it.each(SCALED_TYPES)("comes back, whatever its shape: %s", (quantType) => {
    for (const shape of [[], [1], [1, 1], [1, 1, 1]]) {
      for (const weight of [0.25, -3, 1e-3, 1e20]) {
        const [restored] = restoredOf(recordOf([weight], { quantType, shape })) as [number];
        // MX rounds its scale down: of E4M3's magnitudes up to 511, 448 is the last.
        expect(Math.abs(restored - weight)).toBeLessThanOrEqual(Math.abs(weight) / 4);
      }
    }
  });

  it.each(AFFINE_TYPES)("is exact to the last bits: %s", (quantType) => {
    for (const weight of [0.7, -0.7, 123.456]) {
      const record = recordOf([weight], { quantType, ...plain });
      expect(restoredOf(record)[0]).toBeCloseTo(weight, 4);
    }
  });
});

describe("zeros", () => {
  it.each([
    ["int8", {}, [-128], 0x80],
    ["uint8", {}, [0], 0],
    ["int4", plain, [-8], 0x88],
    ["uint4", plain, [0], 0],
    ["int8", { symmetric: true }, undefined, 0],
    ["int4", { symmetric: true, ...plain }, undefined, 0],
    ["int8", { granularity: "tensor" }, [-128], 0x80],
    ["int4", { granularity: "channel" }, [-8, -8], 0x88],
  ] as const)("have scale 1 and codes at the zero point: %s %o", (...args) => {
    const [quantType, options, zeroPoints, code] = args;
    const record = recordOf(Array(8).fill(0), { quantType, shape: [2, 4], ...options });
    expect(new Set(record.scale)).toEqual(new Set([1]));
    expect(zeroPointsOf(record)).toEqual(
      zeroPoints === undefined ? undefined : Array(record.scale.length).fill(zeroPoints[0]),
    );
    const codes = new Uint8Array(record.codes.buffer, 0, record.codes.byteLength);
    expect(new Set(codes)).toEqual(new Set([code]));
    expect(restoredOf(record)).toEqual(Array(8).fill(0));
  });

  it.each([
    ["mxfp4", 0],
    ["mxfp8", 0],
    ["mxfp8-e5m2", 0],
    ["nvfp4", 0],
    ["fp8-e4m3", 1],
    ["fp8-e5m2", 1],
  ] as const)("have the scale that the format gives nothing: %s, %d", (quantType, scale) => {
    const record = recordOf([0, 0, 0, 0], { quantType }) as QuantizedFloat;
    expect([...record.scale]).toEqual([scale]);
    expect(new Set(record.codes)).toEqual(new Set([0]));
    expect(restoredOf(record)).toEqual([0, 0, 0, 0]);
    expect(record.tensorScale).toBe(quantType === "nvfp4" ? 1 : undefined);
  });

  it("keep their sign in floats, and lose it in integers", () => {
    for (const quantType of SCALED_TYPES) {
      const isFloat = !(AFFINE_TYPES as readonly string[]).includes(quantType);
      expect(restoredOf(recordOf([-0, 0], { quantType }))).toEqual([isFloat ? -0 : 0, 0]);
      expect(restoredOf(recordOf([-0, 1], { quantType }))[0]).toBe(isFloat ? -0 : 0);
    }
  });

  it("among blocks with values have code 0 of the nested scales, and count for no range", () => {
    const weights = [...Array(32).fill(0.5), ...Array(32).fill(0), ...Array(32).fill(1)];
    const record = recordOf(weights, { quantType: "uint8", blockSize: 32, doubleQuant: true });
    expect([...record.scale]).toEqual([1, 0, 255]);
    expect(restoredOf(record).slice(32, 64)).toEqual(Array(32).fill(0));
  });
});

describe("weights of one sign, or of one value", () => {
  it.each([
    ["int8", -128, 127],
    ["uint8", 0, 255],
    ["int4", -8, 7],
    ["uint4", 0, 15],
  ] as const)("have a zero point at an end of the range: %s", (quantType, lowest, highest) => {
    const options = { quantType, ...plain };
    expect(zeroPointsOf(recordOf([1, 2, 4], options))).toEqual([lowest]);
    expect(zeroPointsOf(recordOf([-1, -2, -4], options))).toEqual([highest]);
    expect(zeroPointsOf(recordOf([-3, -3, -3], options))).toEqual([highest]);
    for (const constant of [0.3, -0.3, 7]) {
      const restored = restoredOf(recordOf([constant, constant, constant], options));
      for (const value of restored) expect(value).toBeCloseTo(constant, 5);
    }
  });
});

describe("weights near the ends of f32", () => {
  it.each(AFFINE_TYPES)("that are subnormal have the smallest normal scale: %s", (quantType) => {
    const record = recordOf([1e-40, -2e-40, 5e-45], { quantType, ...plain });
    expect([...record.scale]).toEqual([2 ** -126]);
    expect(restoredOf(record)).toEqual([0, 0, 0]);
  });

  it.each(AFFINE_TYPES)("whose range overflows have a finite scale: %s", (quantType) => {
    const record = recordOf([3.4e38, -3.4e38, 1e38], { quantType, ...plain });
    const [scale] = record.scale as Float32Array as unknown as [number];
    const steps = quantType.endsWith("8") ? 255 : 15;
    expect(scale / (6.8e38 / steps)).toBeCloseTo(1, 5);
    // The zero point is rounded: an end may lie a step further out, and that may be infinity.
    const [, , third] = restoredOf(record) as [number, number, number];
    expect(Math.abs(third - 1e38)).toBeLessThanOrEqual(scale);
  });

  it.each([
    ["fp8-e4m3", 448],
    ["fp8-e5m2", 57344],
  ] as const)("have scales from the smallest normal up: %s", (quantType, largest) => {
    expect([...recordOf([1e-40, -1e-41], { quantType }).scale]).toEqual([2 ** -126]);
    const [scale] = recordOf([3.4e38, -1], { quantType }).scale as unknown as [number];
    expect(scale).toBe(Math.fround(3.4e38 / largest));
  });

  it.each([
    ["mxfp4", 2],
    ["mxfp8", 8],
    ["mxfp8-e5m2", 15],
  ] as const)("have E8M0 bytes from 0: %s", (quantType, top) => {
    expect([...recordOf([1e-45, -1e-40], { quantType }).scale]).toEqual([0]);
    expect([...recordOf([3.4e38], { quantType }).scale]).toEqual([254 - top]);
    expect(restoredOf(recordOf([3.4e38, -3.4e38], { quantType })).every(Number.isFinite)).toBe(
      true,
    );
    // One block per power of two: the byte is its exponent, however small the mantissa.
    for (const exponent of [-120, -1, 0, 1, 100]) {
      const expected = Math.max(0, 127 + exponent - top);
      expect([...recordOf([2 ** exponent], { quantType }).scale]).toEqual([expected]);
      expect([...recordOf([2 ** exponent * 1.9999999], { quantType }).scale]).toEqual([expected]);
    }
  });

  // The tensor's largest magnitudes of `nvfp4_underflow` in test/vectors/floats/manifest.json, where
  // an f32 tensor scale of fl(amax / 2688) would be subnormal or 0.
  it.each([1e-38, 1e-39, 1e-40, 1e-41, 3e-42, 1e-42, 1e-44])(
    "never divide by 0 in NVFP4: %d",
    (amax) => {
      const weights = [
        ...Array(16).fill(amax),
        ...Array(15).fill(amax / 700),
        0,
        ...Array(16).fill(0),
      ];
      const record = recordOf(weights, { quantType: "nvfp4" }) as QuantizedFloat;
      expect(record.tensorScale).toBe(2 ** -126);
      const restored = restoredOf(record);
      const smallestScale = 2 ** -9 * 2 ** -126;
      restored.forEach((value, i) => {
        const weight = Math.fround(weights[i] as number);
        const bound = Math.max(weight / 4, smallestScale / 4);
        expect(Math.abs(value - weight)).toBeLessThanOrEqual(bound);
      });
      expect(record.scale[2]).toBe(0);
      expect(restored.slice(31)).toEqual(Array(17).fill(0));
    },
  );
});

describe("NaN and infinity", () => {
  const weights = [NaN, Infinity, -Infinity, 3, -1];

  it.each(SCALED_TYPES)("are refused, the first of them by its place: %s", (quantType) => {
    const good = new Float32Array(300).fill(0.5);
    for (const bad of [NaN, Infinity, -Infinity]) {
      for (const index of [0, 31, 32, 100, 299]) {
        const input = good.slice();
        input[299] = bad;
        input[index] = bad;
        for (const kernels of KERNELS) {
          const act = () => quantizeScaled(input, { quantType, shape: [3, 100], kernels });
          expect(act).toThrow(NonFiniteError);
          expect(act).toThrow(expect.objectContaining({ index, code: "NON_FINITE" }));
          expect(act).toThrow(`weights: element ${index} is ${bad}`);
        }
      }
    }
  });

  it.each([
    ["float16", [0x7e00, 0xfe01, 0x7c00, 0xfc00]],
    ["bfloat16", [0x7fc0, 0xff81, 0x7f80, 0xff80]],
  ] as const)("are found in %s, too", (dtype, patterns) => {
    for (const bits of patterns) {
      const halves = new Uint16Array(64).fill(0x3c00);
      halves[41] = bits;
      for (const quantType of SCALED_TYPES) {
        for (const kernels of KERNELS) {
          const act = () => quantizeScaled(halves, { quantType, dtype, shape: [2, 32], kernels });
          expect(act).toThrow(expect.objectContaining({ index: 41, code: "NON_FINITE" }));
        }
      }
    }
  });

  it.each([
    ["int8", {}, [0, 127, -128, 127, -128]],
    ["uint8", {}, [0, 255, 0, 255, 0]],
    ["int4", { granularity: "tensor" }, [0, 7, -8, 7, -8]],
    ["uint4", plain, [0, 15, 0, 15, 0]],
    ["int8", { symmetric: true }, [0, 127, -128, 127, -42]],
  ] as const)("become 0 and the end codes where allowed: %s %o", (quantType, options, codes) => {
    const record = recordOf(weights, { quantType, allowNonFinite: true, ...options });
    const stored = record.codes;
    const nibble = (i: number) => ((stored[i >> 1] as number) >> (4 * (i % 2))) & 15;
    const signed = (code: number) => (quantType === "int4" && code > 7 ? code - 16 : code);
    const isPacked = quantType.endsWith("4");
    const got = codes.map((_, i) => (isPacked ? signed(nibble(i)) : stored[i]));
    expect(got).toEqual(codes);
    // The range is that of the finite ones.
    const range = "symmetric" in options ? 3 / 127 : 4 / (quantType.endsWith("4") ? 15 : 255);
    expect(record.scale[0]).toBeCloseTo(range, 6);
  });

  it.each([
    ["mxfp4", [0, 6, -6]],
    ["mxfp8", [NaN, 448, -448]],
    ["mxfp8-e5m2", [NaN, 57344, -57344]],
    ["nvfp4", [0, 6, -6]],
    ["fp8-e4m3", [NaN, 448, -448]],
    ["fp8-e5m2", [NaN, 57344, -57344]],
  ] as const)(
    "become NaN, or 0 without one, and saturate where allowed: %s",
    (quantType, levels) => {
      const options = { quantType, allowNonFinite: true };
      const largest = levels[1];
      const record = recordOf([...weights, largest], options);
      const restored = restoredOf(record);
      const unit = (restored[5] as number) / largest;
      expect(restored.slice(0, 3)).toEqual(levels.map((level) => level * unit));
      // As weights that are all of this kind leave nothing to scale by.
      const alone = restoredOf(recordOf([NaN, NaN], options));
      expect(alone).toEqual([levels[0], levels[0]]);
    },
  );

  it.each(AFFINE_TYPES)("alone have the scale of zeros: %s", (quantType) => {
    const record = recordOf([NaN, Infinity], { quantType, allowNonFinite: true, ...plain });
    expect([...record.scale]).toEqual([1]);
    const lowest = { int8: -128, uint8: 0, int4: -8, uint4: 0 }[quantType];
    expect(zeroPointsOf(record)).toEqual([lowest]);
    expect(restoredOf(record)).toEqual([0 - lowest, quantType.endsWith("8") ? 255 : 15]);
  });
});

describe("no weights", () => {
  it.each(SCALED_TYPES)("make a record without codes: %s", (quantType) => {
    for (const shape of [[0], [0, 4], [4, 0], [2, 0, 3]]) {
      const record = recordOf([], { quantType, shape });
      expect(record.codes).toHaveLength(0);
      expect(restoredOf(record)).toEqual([]);
      expect(structuredClone(record)).toEqual(record);
    }
  });

  it("have the scale of zeros, one for the tensor or for each channel", () => {
    const options = { quantType: "int8", shape: [4, 0] } as const;
    expect([...recordOf([], { ...options, granularity: "tensor" }).scale]).toEqual([1]);
    const channels = recordOf([], { ...options, granularity: "channel", axis: 0 });
    expect([...channels.scale]).toEqual([1, 1, 1, 1]);
    expect(zeroPointsOf(channels)).toEqual([-128, -128, -128, -128]);
    expect(recordOf([], { ...options, granularity: "channel", axis: 1 }).scale).toHaveLength(0);
    expect(recordOf([], options).scale).toHaveLength(0);
  });
});
