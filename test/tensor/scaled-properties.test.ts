/** Affine integers and block floats of random tensors: both kernel sets and plain loops agree. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { f32ToBf16, f32ToF16 } from "../../src/foundation/half.ts";
import { dequantize, type FloatDtype } from "../../src/index.ts";
import { sameBytes } from "../kernels/calls.ts";
import { bytesOf } from "./float-vectors.ts";
import { magnitudes, naive } from "./naive.ts";
import { AFFINE_TYPES, jobs, SCALED_TYPES, type ScaledType } from "./random-tensors.ts";
import { expectSame, KERNELS, quantizeScaled } from "./scaled-records.ts";

const RUNS = { numRuns: 150 };

const LIMITS = { int8: [-128, 127], uint8: [0, 255], int4: [-8, 7], uint4: [0, 15] } as const;

/** Exponent and fraction bits. */
const FIELDS = {
  mxfp4: [2, 1],
  mxfp8: [4, 3],
  "mxfp8-e5m2": [5, 2],
  nvfp4: [2, 1],
  "fp8-e4m3": [4, 3],
  "fp8-e5m2": [5, 2],
} as const;

const FLOAT_TYPES = Object.keys(FIELDS) as (keyof typeof FIELDS)[];

describe.each(SCALED_TYPES)("%s", { timeout: 30_000 }, (quantType: ScaledType) => {
  it("has the same bytes from both kernel sets and from plain loops", () => {
    fc.assert(
      fc.property(jobs([quantType]), ([{ weights, values, dtype }, options]) => {
        expectSame(weights, values, dtype, options);
      }),
      RUNS,
    );
  });

  it("is restored in every dtype, each time from the f32", () => {
    fc.assert(
      fc.property(jobs([quantType]), ([{ weights, dtype }, options]) => {
        const record = quantizeScaled(weights, { ...options, dtype });
        const floats = dequantize(record, { kernels: "reference" });
        const narrow = { float16: f32ToF16, bfloat16: f32ToBf16 };
        for (const to of ["float16", "bfloat16"] as const) {
          const expected = Uint16Array.from(floats, narrow[to]);
          for (const kernels of KERNELS) {
            const halves = dequantize(record, { dtype: to as FloatDtype, kernels });
            sameBytes(bytesOf(halves), bytesOf(expected), `${kernels}, ${to}`);
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  it("survives structuredClone, and is written into any view", () => {
    fc.assert(
      fc.property(jobs([quantType]), ([{ weights, dtype }, options]) => {
        const record = structuredClone(quantizeScaled(weights, { ...options, dtype }));
        const expected = dequantize(record);
        const larger = new Float32Array(expected.length + 7);
        const out = larger.subarray(3, 3 + expected.length);
        expect(dequantize(record, { out })).toBe(out);
        sameBytes(bytesOf(out), bytesOf(expected), "out");
        const around = [...larger.subarray(0, 3), ...larger.subarray(3 + expected.length)];
        expect(around.every((value) => Object.is(value, 0))).toBe(true);
      }),
      { numRuns: 30 },
    );
  });
});

describe("the error", { timeout: 30_000 }, () => {
  it.each(AFFINE_TYPES)("of %s is half a step where the code is not clamped", (quantType) => {
    const [lowest, highest] = LIMITS[quantType];
    fc.assert(
      fc.property(jobs([quantType]), ([{ values }, options]) => {
        const { codes, restored, scaleOf } = naive(values, options);
        for (let i = 0; i < values.length; i++) {
          const code = lowest < 0 ? ((codes[i] as number) << 24) >> 24 : (codes[i] as number);
          if (code === lowest || code === highest) continue;
          const gap = Math.abs((values[i] as number) - (restored[i] as number));
          expect(gap).toBeLessThanOrEqual(scaleOf(i) * (0.5 + 2 ** -14));
        }
      }),
      RUNS,
    );
  });

  it.each(FLOAT_TYPES)(
    "of %s is half an ulp of the format where it does not saturate",
    (quantType) => {
      const [exponentBits, fractionBits] = FIELDS[quantType];
      const levels = magnitudes(exponentBits, fractionBits);
      const smallest = levels[1] as number;
      const largest = levels.at(-1) as number;
      fc.assert(
        fc.property(jobs([quantType]), ([{ values }, options]) => {
          const { restored, scaleOf } = naive(values, options);
          for (let i = 0; i < values.length; i++) {
            const weight = values[i] as number;
            const scale = scaleOf(i);
            if (Math.abs(weight) > largest * scale) continue;
            const relative = Math.abs(weight) * 2 ** -(fractionBits + 1);
            const bound = Math.max(relative, (smallest * scale) / 2) * (1 + 2 ** -20) + 2 ** -149;
            expect(Math.abs(weight - (restored[i] as number))).toBeLessThanOrEqual(bound);
          }
        }),
        RUNS,
      );
    },
  );
});
