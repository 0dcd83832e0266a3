/** Affine integers against vectors that none of our code made, and the README's worked example. */

import { describe, expect, it } from "vitest";
import {
  dequantize,
  type QuantizedAffine,
  type QuantizeOptions,
  quantize,
} from "../../src/index.ts";
import { sameBytes } from "../kernels/calls.ts";
import { bytesOf, floatVectors, packed } from "./float-vectors.ts";

const KERNELS = ["wasm", "reference"] as const;

const GRAINS = {
  tensor: { granularity: "tensor" },
  row: { granularity: "channel", axis: 0 },
  group32: { granularity: "block", blockSize: 32, doubleQuant: false },
} as const satisfies Record<string, QuantizeOptions>;

describe("golden affine integers", () => {
  const vectors = floatVectors("affine");

  it.each(vectors)("$id", (golden) => {
    const { quantType, shape, layout, mode } = golden;
    const isSymmetric = mode === "symmetric";
    const symmetric = isSymmetric ? { symmetric: true } : {};
    const codes = golden.bytes("codes");
    for (const kernels of KERNELS) {
      const options = { quantType, shape, kernels, ...GRAINS[layout], ...symmetric };
      const record = quantize(golden.floats("input"), options) as QuantizedAffine;
      sameBytes(bytesOf(record.scale), golden.bytes("scales"), `${kernels}, scales`);
      if (isSymmetric) expect(record.zeroPoint).toBeUndefined();
      else expect([...(record.zeroPoint as Float32Array)]).toEqual(golden.numbers("zero_points"));
      const is4Bit = quantType === "int4" || quantType === "uint4";
      sameBytes(bytesOf(record.codes), is4Bit ? packed(codes) : codes, `${kernels}, codes`);
      sameBytes(bytesOf(dequantize(record, { kernels })), golden.bytes("dequant"), kernels);
    }
  });

  it("has every scheme, mode and layout", () => {
    expect(vectors).toHaveLength(90);
    const kinds = new Set(vectors.map(({ scheme, mode, layout }) => `${scheme} ${mode} ${layout}`));
    // Six schemes: the unsigned ones have no symmetric mode.
    expect(kinds.size).toBeGreaterThanOrEqual(12);
  });
});

describe("the worked example", () => {
  const weights = Float32Array.of(0.7, -1.4, 2.5, -0.8, 1.9, -1.0, 0.3, 2.1, -0.5, 0.0);

  it.each(KERNELS)(
    "has the scale, the zero point, the codes and the bytes it says: %s",
    (kernels) => {
      const record = quantize(weights, { quantType: "int8", granularity: "tensor", kernels });
      expect(record.scale).toHaveLength(1);
      expect(record.scale[0]).toBeCloseTo(0.0153, 4);
      expect(record.zeroPoint).toEqual(Float32Array.of(-36));
      expect([...record.codes.subarray(0, 3)]).toEqual([10, -128, 127]);
      const restored = dequantize(record, { kernels });
      expect(restored[0]).toBeCloseTo(0.704, 3);
      expect(restored[1]).toBeCloseTo(-1.407, 3);
      const metadataBytes = record.scale.byteLength + (record.zeroPoint?.byteLength ?? 0);
      expect(metadataBytes).toBe(8);
      expect(weights.byteLength).toBe(40);
      expect(record.codes.byteLength + metadataBytes).toBe(18);
    },
  );
});
