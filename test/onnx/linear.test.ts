/**
 * QuantizeLinear and DequantizeLinear of ONNX Runtime 1.30 against both kernel sets: equal bits.
 *
 * The same holds for NaN and for what is too large for 32 bits while the zero point is 0; what the
 * runtime does otherwise is in special-values.test.ts.
 */

import { describe, it } from "vitest";
import { sameBytes } from "../kernels/calls.ts";
import { family, seeded } from "../kernels/cases.ts";
import { AFFINE_FORMATS, halves, SCALES, zeroPointsOf } from "../kernels/run-cases.ts";
import { countsOf, LAYOUTS } from "./cuts.ts";
import { dequantizeHere, onnxBytes, parametersOf, quantizeHere, SETS } from "./here.ts";
import { dequantizeLinear, quantizeLinear } from "./onnx-runtime.ts";

/** Values whose quotients by the scales fit 32 bits. */
const VALUES: Readonly<Record<string, (count: number) => Float32Array>> = {
  normal: (count) => family("normal", count, 1),
  ties: (count) => halves(count, 2),
  "tiny, zeros and ties": (count) => {
    const special = [0, -0, 1e-45, -1e-45, 2 ** -126, 0.5, -0.5, 1.5, 2.5, -2.5, 126.5, 254.5, 1e6];
    const next = seeded(3);
    return Float32Array.from({ length: count }, () => special[Math.floor(next() * 13)] as number);
  },
};

const EXTREME = [NaN, 3.4e38, -3.4e38, 2 ** 31, -(2 ** 31), 1e10, -1e10, Infinity, -Infinity];

/** The runtime's NaN has the processor's sign; ours has none. */
function canonicalNans(bytes: Uint8Array): Uint8Array {
  const words = new Uint32Array(bytes.slice().buffer);
  const settled = words.map((word) => ((word & 0x7fffffff) > 0x7f800000 ? 0x7fc00000 : word));
  return new Uint8Array(settled.buffer);
}

describe.each(AFFINE_FORMATS)("$name", (format) => {
  describe.each(LAYOUTS)("$name", (layout) => {
    const [count, scaleCount] = countsOf(layout);
    const { shape, cut } = layout;

    it.each(Object.entries(VALUES))("QuantizeLinear of %s values", async (_, make) => {
      const values = make(count);
      for (const zeroPoints of [undefined, zeroPointsOf(format, scaleCount, 7)]) {
        for (const scaleName of ["usual", "powers of two"]) {
          const scales = SCALES[scaleName]?.(scaleCount, 5) as Float32Array;
          const parameters = parametersOf(format, layout, scales, zeroPoints);
          const expected = await quantizeLinear(format.name, shape, values, parameters, cut);
          for (const { name, harness } of SETS) {
            const codes = quantizeHere(harness, format, layout, values, scales, zeroPoints);
            sameBytes(codes, expected, `${name}, ${scaleName} scales`);
          }
        }
      }
    });

    it("QuantizeLinear of extreme values without zero points", async () => {
      const values = Float32Array.from(
        { length: count },
        (_, i) => EXTREME[i % EXTREME.length] as number,
      );
      const scales = (SCALES["powers of two"] as (typeof SCALES)[string])(scaleCount, 5);
      const parameters = parametersOf(format, layout, scales, undefined);
      const expected = await quantizeLinear(format.name, shape, values, parameters, cut);
      for (const { name, harness } of SETS) {
        sameBytes(quantizeHere(harness, format, layout, values, scales, undefined), expected, name);
      }
    });

    it("DequantizeLinear of every code", async () => {
      const { lowest, highest } = format;
      const codes = Uint8Array.from(
        { length: count },
        (_, i) => lowest + ((i * 7) % (highest - lowest + 1)),
      );
      for (const zeroPoints of [undefined, zeroPointsOf(format, scaleCount, 7)]) {
        for (const [scaleName, make] of Object.entries(SCALES)) {
          const scales = make(scaleCount, 5);
          const parameters = parametersOf(format, layout, scales, zeroPoints);
          const stored = onnxBytes(format, codes);
          const bytes = await dequantizeLinear(format.name, shape, stored, parameters, cut);
          const expected = canonicalNans(bytes);
          for (const { name, harness } of SETS) {
            const values = dequantizeHere(harness, format, layout, codes, scales, zeroPoints);
            sameBytes(values, expected, `${name}, ${scaleName} scales`);
          }
        }
      }
    });
  });
});
