/** Random tensors and options for the families that divide by a scale. */

import fc from "fast-check";
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "../../src/foundation/half.ts";
import type { FloatArray, FloatDtype, QuantizeOptions, QuantType } from "../../src/index.ts";
import { normalFloats, randomFrom } from "../checkpoint/safetensors-files.ts";

export const AFFINE_TYPES = ["int8", "uint8", "int4", "uint4"] as const;
export const FIXED_BLOCK_TYPES = ["mxfp4", "mxfp8", "mxfp8-e5m2", "nvfp4"] as const;
export const FP8_TYPES = ["fp8-e4m3", "fp8-e5m2"] as const;
export const SCALED_TYPES = [...AFFINE_TYPES, ...FIXED_BLOCK_TYPES, ...FP8_TYPES] as const;

export type ScaledType = (typeof SCALED_TYPES)[number];

/** What weights may look like: scales of every size, ties, and nothing to scale. */
const FAMILIES: Readonly<Record<string, (count: number, seed: number) => Float32Array>> = {
  normal: (count, seed) => normalFloats(count, seed),
  shifted: (count, seed) => normalFloats(count, seed).map((x) => x + 0.3),
  negative: (count, seed) => normalFloats(count, seed).map((x) => -Math.abs(x) - 0.01),
  constant: (count, seed) => new Float32Array(count).fill(Math.fround(seed % 7) - 3.1),
  zeros: (count) => new Float32Array(count),
  subnormal: (count, seed) => normalFloats(count, seed).map((x) => x * 1e-39),
  tiny: (count, seed) => normalFloats(count, seed).map((x) => x * 1e-36),
  huge: (count, seed) => normalFloats(count, seed, 1).map((x) => Math.max(-1, x / 6) * 3.4e38),
  ties: (count, seed) => {
    const random = randomFrom(seed);
    return Float32Array.from({ length: count }, () => Math.floor(random() * 64 - 32) / 4);
  },
  "every magnitude": (count, seed) => {
    const random = randomFrom(seed);
    return Float32Array.from({ length: count }, () => {
      if (random() < 0.1) return random() < 0.5 ? 0 : -0;
      return (random() < 0.5 ? -1 : 1) * 2 ** (random() * 200 - 120);
    });
  },
  "blocks of different sizes": (count, seed) => {
    const random = randomFrom(seed);
    let size = 1;
    return normalFloats(count, seed).map((x, i) => {
      if (i % 32 === 0) size = random() < 0.2 ? 0 : 2 ** (random() * 12);
      return x * size;
    });
  },
};

export interface RandomTensor {
  readonly family: string;
  readonly dtype: FloatDtype;
  readonly shape: readonly number[];
  /** What `quantize` gets. */
  readonly weights: FloatArray;
  /** What the weights mean. */
  readonly values: Float32Array;
}

const shapes = fc.oneof(
  fc.constant([]),
  fc.tuple(fc.integer({ min: 0, max: 700 })),
  fc.tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 150 })),
  fc.tuple(
    fc.integer({ min: 0, max: 5 }),
    fc.integer({ min: 0, max: 9 }),
    fc.integer({ min: 0, max: 70 }),
  ),
);

export const tensors: fc.Arbitrary<RandomTensor> = fc
  .record({
    family: fc.constantFrom(...Object.keys(FAMILIES)),
    dtype: fc.constantFrom("float32" as const, "float16" as const, "bfloat16" as const),
    shape: shapes,
    seed: fc.nat(100_000),
  })
  .map(({ family, dtype, shape, seed }) => {
    const count = (shape as number[]).reduce((product, extent) => product * extent, 1);
    const made = FAMILIES[family]?.(count, seed) as Float32Array;
    return { family, dtype, shape, ...asDtype(made, dtype) };
  });

/** The values rounded to a dtype; nothing becomes infinite. */
export function asDtype(
  made: Float32Array,
  dtype: FloatDtype,
): { readonly weights: FloatArray; readonly values: Float32Array } {
  if (dtype === "float32") return { weights: made, values: made };
  const isHalf = dtype === "float16";
  const limit = isHalf ? 65504 : 3.3e38;
  const bits = Uint16Array.from(made, (x) =>
    (isHalf ? f32ToF16 : f32ToBf16)(Math.min(limit, Math.max(-limit, x))),
  );
  return { weights: bits, values: Float32Array.from(bits, isHalf ? f16ToF32 : bf16ToF32) };
}

export interface ScaledOptions extends QuantizeOptions {
  readonly quantType: ScaledType;
  readonly shape: readonly number[];
}

type Grain = Pick<QuantizeOptions, "granularity" | "axis" | "blockSize">;

const blockSizes = fc.oneof(
  fc.constantFrom(32, 33, 47, 64, 100, 128, 4095, 4096),
  fc.integer({ min: 32, max: 4096 }),
);

/** Options that fit a shape. */
export function optionsFor(
  shape: readonly number[],
  types: readonly ScaledType[] = SCALED_TYPES,
): fc.Arbitrary<ScaledOptions> {
  const grains: fc.Arbitrary<Grain>[] = [
    fc.constant({ granularity: "tensor" }),
    blockSizes.map((blockSize) => ({ granularity: "block", blockSize })),
    blockSizes.map((blockSize) => ({ granularity: "block", blockSize })),
  ];
  if (shape.length > 0) {
    const axes = fc.integer({ min: -shape.length, max: shape.length - 1 });
    grains.push(axes.map((axis) => ({ granularity: "channel", axis })));
  }
  return fc
    .record({
      quantType: fc.constantFrom(...types),
      grain: fc.oneof(...grains),
      symmetric: fc.boolean(),
      doubleQuant: fc.boolean(),
    })
    .map(({ quantType, grain, symmetric, doubleQuant }): ScaledOptions => {
      const isAffine = (AFFINE_TYPES as readonly QuantType[]).includes(quantType);
      const hasOwnBlocks = (FIXED_BLOCK_TYPES as readonly QuantType[]).includes(quantType);
      return {
        quantType,
        shape,
        ...(hasOwnBlocks ? {} : grain),
        ...(isAffine && symmetric && quantType.startsWith("int") ? { symmetric } : {}),
        ...(isAffine && grain.granularity === "block" ? { doubleQuant } : {}),
      };
    });
}

/** A tensor with options that fit it. */
export function jobs(types?: readonly ScaledType[]) {
  return tensors.chain((tensor) => fc.tuple(fc.constant(tensor), optionsFor(tensor.shape, types)));
}
