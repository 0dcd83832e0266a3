/** Every scheme by its public name. Adding one: a file beside this one, and a line in `SCHEMES`. */

import { AF4 } from "./af4.ts";
import { type AffineFormat, INT4, INT8, UINT4, UINT8 } from "./affine.ts";
import type { Codebook } from "./codebook.ts";
import { dynamic8 } from "./dynamic8.ts";
import { E2M1, E4M3, E5M2, type FloatFormat } from "./float-format.ts";
import { FP4 } from "./fp4.ts";
import { NF4 } from "./nf4.ts";

/** Levels times a block's absmax; blocks run over the flat tensor (bitsandbytes). */
export interface CodebookScheme<Bits extends 4 | 8 = 4 | 8> {
  readonly family: "codebook";
  readonly bits: Bits;
  readonly codebook: () => Codebook;
  readonly defaultBlockSize: number;
}

/** LLM.int8: rows of int8 with one absmax each. */
export interface RowScheme {
  readonly family: "rows";
  readonly bits: 8;
}

/** Whole numbers, a scale and a zero point. */
export interface AffineScheme {
  readonly family: "affine";
  readonly bits: 4 | 8;
  readonly format: AffineFormat;
}

/** How a block float's scale is stored. */
export type ScaleFormat = "e8m0" | "e4m3" | "float32";

/** Small floats times a shared scale. */
export interface FloatScheme {
  readonly family: "float";
  readonly bits: 4 | 8;
  readonly format: FloatFormat;
  /** e8m0: a power of two; e4m3: beside one f32 for the whole tensor. */
  readonly scale: ScaleFormat;
  /** The block size that the scheme prescribes. */
  readonly fixedBlockSize?: number;
}

export type Scheme = CodebookScheme | RowScheme | AffineScheme | FloatScheme;

const codebook4 = (codebook: () => Codebook): CodebookScheme<4> => ({
  family: "codebook",
  bits: 4,
  codebook,
  defaultBlockSize: 64,
});

const codebook8 = (codebook: () => Codebook): CodebookScheme<8> => ({
  family: "codebook",
  bits: 8,
  codebook,
  defaultBlockSize: 4096,
});

const affine = (format: AffineFormat): AffineScheme => ({
  family: "affine",
  bits: format.bits,
  format,
});

const float = (format: FloatFormat, scale: ScaleFormat, fixedBlockSize?: number): FloatScheme => ({
  family: "float",
  bits: format.bits,
  format,
  scale,
  ...(fixedBlockSize === undefined ? {} : { fixedBlockSize }),
});

export const SCHEMES = {
  nf4: codebook4(() => NF4) as CodebookScheme<4>,
  fp4: codebook4(() => FP4) as CodebookScheme<4>,
  af4: codebook4(() => AF4) as CodebookScheme<4>,
  dynamic8: codebook8(dynamic8) as CodebookScheme<8>,
  "llm-int8": { family: "rows", bits: 8 } as RowScheme,
  int4: affine(INT4) as AffineScheme,
  int8: affine(INT8) as AffineScheme,
  uint4: affine(UINT4) as AffineScheme,
  uint8: affine(UINT8) as AffineScheme,
  mxfp4: float(E2M1, "e8m0", 32) as FloatScheme,
  mxfp8: float(E4M3, "e8m0", 32) as FloatScheme,
  "mxfp8-e5m2": float(E5M2, "e8m0", 32) as FloatScheme,
  nvfp4: float(E2M1, "e4m3", 16) as FloatScheme,
  "fp8-e4m3": float(E4M3, "float32") as FloatScheme,
  "fp8-e5m2": float(E5M2, "float32") as FloatScheme,
} as const satisfies Record<string, Scheme>;

/** A scheme's public name. */
export type QuantType = keyof typeof SCHEMES;

/** The names of one family, or of one shape of it. */
type NamesOf<Shape> = {
  [Name in QuantType]: (typeof SCHEMES)[Name] extends Shape ? Name : never;
}[QuantType];

export type QuantType4 = NamesOf<CodebookScheme<4>>;
export type QuantTypeCodebook = NamesOf<CodebookScheme>;
export type QuantTypeAffine = NamesOf<AffineScheme>;
export type QuantTypeFloat = NamesOf<FloatScheme>;

export const QUANT_TYPES = Object.keys(SCHEMES) as readonly QuantType[];

export function schemeOf(quantType: QuantType): Scheme {
  return SCHEMES[quantType];
}
