/** Options of `quantize`, checked in one place and completed with their defaults. */

import { FLOAT_DTYPES } from "../foundation/dtype.ts";
import { ArgumentError } from "../foundation/errors.ts";
import type { QuantMode } from "../schemes/codebook.ts";
import {
  type AffineScheme,
  type FloatScheme,
  QUANT_TYPES,
  type QuantType,
  type QuantTypeAffine,
  type QuantTypeCodebook,
  type QuantTypeFloat,
  schemeOf,
} from "../schemes/registry.ts";
import type { Granularity, QuantStorage } from "./quantized-tensor.ts";

/** bitsandbytes `functional.quantize_4bit`. */
export const BLOCK_SIZES_4BIT: readonly number[] = [32, 64, 128, 256, 512, 1024, 2048, 4096];

/** Largest block of dynamic8: what kernels count in 32 bits. */
export const LARGEST_BLOCK_SIZE = 2 ** 30;

/** Smallest and largest block of affine and FP8 coding. */
export const BLOCK_SIZE_RANGE = [32, 4096] as const;

export const QUANT_STORAGES: readonly QuantStorage[] = ["uint8", ...FLOAT_DTYPES];
export const GRANULARITIES: readonly Granularity[] = ["tensor", "channel", "block"];

/** Levels times absmax. */
export interface CodebookCoding {
  readonly family: "codebook";
  readonly quantType: QuantTypeCodebook;
  readonly mode: QuantMode;
  /** Elements of the flat tensor that share one absmax. */
  readonly blockSize: number;
  readonly doubleQuant: boolean;
  readonly quantStorage: QuantStorage;
}

export interface RowCoding {
  readonly family: "rows";
  readonly quantType: "llm-int8";
}

export interface AffineCoding {
  readonly family: "affine";
  readonly quantType: QuantTypeAffine;
  readonly granularity: Granularity;
  /** 0 unless `granularity` is "channel". */
  readonly axis: number;
  /** 0 unless `granularity` is "block". */
  readonly blockSize: number;
  readonly symmetric: boolean;
  readonly doubleQuant: boolean;
}

export interface FloatCoding {
  readonly family: "float";
  readonly quantType: QuantTypeFloat;
  readonly granularity: Granularity;
  readonly axis: number;
  readonly blockSize: number;
}

/** How a tensor is coded, complete and checked. */
export type Coding = CodebookCoding | RowCoding | AffineCoding | FloatCoding;

export interface CodingOptions {
  /** @defaultValue "nf4" */
  readonly quantType?: QuantType;
  /**
   * What shares a scale, for affine and FP8 coding. @defaultValue "block"; "tensor" for FP8
   */
  readonly granularity?: Granularity;
  /** `granularity: "channel"` only: the axis; negative counts from the end. @defaultValue 0 */
  readonly axis?: number;
  /**
   * Elements that share one scale. nf4, fp4, af4: 32, 64 … 4096; dynamic8: any from 1; affine and
   * FP8 blocks: any from 32 to 4096; 32 for mxfp4 and mxfp8, 16 for nvfp4.
   * @defaultValue 64; 4096 for dynamic8 (bitsandbytes' own default); what the format prescribes
   */
  readonly blockSize?: number;
  /** Affine only: zero point 0 and scale = max |w| / highest code. @defaultValue false */
  readonly symmetric?: boolean;
  /**
   * Code the scales in 8 bits too (bitsandbytes `compress_statistics`): 4-bit codebooks, and affine
   * blocks. @defaultValue true at 4 bits in blocks
   */
  readonly doubleQuant?: boolean;
  /** nf4, fp4, af4: dtype that a file declares the packed bytes as. @defaultValue "uint8" */
  readonly quantStorage?: QuantStorage;
  /** Whose bits: bitsandbytes' default backend or its CUDA kernels. @defaultValue "torch" */
  readonly mode?: QuantMode;
}

/** The last options, and what they mean: callers with many small tensors ask for the same. */
let last: { readonly options: CodingOptions; readonly coding: Coding } | undefined;

/** @throws ArgumentError naming the option, what it got and what is allowed */
export function codingOf(options: CodingOptions): Coding {
  if (last !== undefined && isSame(options, last.options)) return last.coding;
  const { quantType, granularity, axis, blockSize, symmetric } = options;
  const { doubleQuant, quantStorage, mode } = options;
  const own = {
    quantType,
    granularity,
    axis,
    blockSize,
    symmetric,
    doubleQuant,
    quantStorage,
    mode,
  };
  const coding = newCoding(options);
  last = { options: own as CodingOptions, coding };
  return coding;
}

function isSame(one: CodingOptions, other: CodingOptions): boolean {
  return (
    one.quantType === other.quantType &&
    one.blockSize === other.blockSize &&
    one.doubleQuant === other.doubleQuant &&
    one.mode === other.mode &&
    one.granularity === other.granularity &&
    one.axis === other.axis &&
    one.symmetric === other.symmetric &&
    one.quantStorage === other.quantStorage
  );
}

function newCoding(options: CodingOptions): Coding {
  const quantType = oneOf("quantType", QUANT_TYPES, options.quantType ?? "nf4");
  const scheme = schemeOf(quantType);
  checkNames(options);
  refuseForeign(quantType, options);
  switch (scheme.family) {
    case "codebook":
      return {
        family: "codebook",
        quantType: quantType as QuantTypeCodebook,
        mode: options.mode ?? "torch",
        blockSize: codebookBlockSize(scheme.bits, options.blockSize ?? scheme.defaultBlockSize),
        doubleQuant: scheme.bits === 4 && (options.doubleQuant ?? true),
        quantStorage: options.quantStorage ?? "uint8",
      };
    case "rows":
      return { family: "rows", quantType: "llm-int8" };
    case "affine":
      return affineCoding(quantType as QuantTypeAffine, scheme, options);
    case "float":
      return floatCoding(quantType as QuantTypeFloat, scheme, options);
  }
}

function affineCoding(
  quantType: QuantTypeAffine,
  { bits, format }: AffineScheme,
  options: CodingOptions,
): AffineCoding {
  const granularity = options.granularity ?? "block";
  const symmetric = options.symmetric ?? false;
  if (symmetric && !format.signed) {
    throw new ArgumentError("symmetric", `false for ${quantType}; int8 and int4 have it`, true);
  }
  if (options.doubleQuant === true && granularity !== "block") {
    throw new ArgumentError("doubleQuant", `false for granularity "${granularity}"`, true);
  }
  return {
    family: "affine",
    quantType,
    ...grainOf(granularity, options, 64),
    symmetric,
    doubleQuant: granularity === "block" && (options.doubleQuant ?? bits === 4),
  };
}

function floatCoding(
  quantType: QuantTypeFloat,
  { fixedBlockSize }: FloatScheme,
  options: CodingOptions,
): FloatCoding {
  const granularity = options.granularity ?? (fixedBlockSize === undefined ? "tensor" : "block");
  if (fixedBlockSize === undefined) {
    return { family: "float", quantType, ...grainOf(granularity, options, 64) };
  }
  if (granularity !== "block") {
    throw new ArgumentError("granularity", `"block" for ${quantType}`, granularity);
  }
  const { blockSize = fixedBlockSize } = options;
  if (blockSize !== fixedBlockSize) {
    throw new ArgumentError("blockSize", `${fixedBlockSize} for ${quantType}`, blockSize);
  }
  return { family: "float", quantType, granularity, axis: 0, blockSize };
}

function grainOf(
  granularity: Granularity,
  { axis, blockSize }: CodingOptions,
  defaultBlockSize: number,
): { granularity: Granularity; axis: number; blockSize: number } {
  if (axis !== undefined && granularity !== "channel") {
    throw new ArgumentError("axis", `none for granularity "${granularity}"`, axis);
  }
  if (axis !== undefined && !Number.isSafeInteger(axis)) {
    throw new ArgumentError("axis", "a whole number", axis);
  }
  if (granularity !== "block") {
    if (blockSize !== undefined) {
      throw new ArgumentError("blockSize", `none for granularity "${granularity}"`, blockSize);
    }
    return { granularity, axis: axis ?? 0, blockSize: 0 };
  }
  const [smallest, largest] = BLOCK_SIZE_RANGE;
  const size = blockSize ?? defaultBlockSize;
  if (!Number.isSafeInteger(size) || size < smallest || size > largest) {
    throw new ArgumentError("blockSize", `a whole number from ${smallest} to ${largest}`, size);
  }
  return { granularity, axis: 0, blockSize: size };
}

function checkNames(options: CodingOptions): void {
  const { mode, quantStorage, granularity } = options;
  for (const option of ["symmetric", "doubleQuant"] as const) {
    const value = options[option];
    if (value === undefined || typeof value === "boolean") continue;
    throw new ArgumentError(option, "true or false", value);
  }
  if (mode !== undefined) oneOf("mode", ["torch", "cuda"], mode);
  if (quantStorage !== undefined) oneOf("quantStorage", QUANT_STORAGES, quantStorage);
  if (granularity !== undefined) oneOf("granularity", GRANULARITIES, granularity);
}

/** An option that would do nothing is a misunderstanding. */
function refuseForeign(quantType: QuantType, options: CodingOptions): void {
  for (const [option, harmless] of FOREIGN) {
    const value = options[option];
    if (value === undefined || value === harmless || isApplicable(option, quantType)) continue;
    const expected = harmless === undefined ? "none" : JSON.stringify(harmless);
    throw new ArgumentError(option, `${expected} for ${quantType}`, value);
  }
}

/** Options that some families lack, and the value that asks for nothing. */
const FOREIGN: readonly (readonly [keyof CodingOptions, string | boolean | undefined])[] = [
  ["mode", "torch"],
  ["doubleQuant", false],
  ["quantStorage", "uint8"],
  ["granularity", undefined],
  ["axis", undefined],
  ["symmetric", false],
  ["blockSize", undefined],
];

/** Whether `option` means anything to a quant type. */
export function isApplicable(option: keyof CodingOptions, quantType: QuantType): boolean {
  const { family, bits } = schemeOf(quantType);
  switch (option) {
    case "mode":
      return family === "codebook" || family === "rows";
    case "doubleQuant":
      return family === "affine" || (family === "codebook" && bits === 4);
    case "quantStorage":
      return family === "codebook" && bits === 4;
    case "granularity":
    case "axis":
      return family === "affine" || family === "float";
    case "symmetric":
      return family === "affine";
    case "blockSize":
      return family !== "rows";
    default:
      return true;
  }
}

function codebookBlockSize(bits: 4 | 8, size: number): number {
  if (bits === 4 && !BLOCK_SIZES_4BIT.includes(size)) {
    throw new ArgumentError("blockSize", `one of ${BLOCK_SIZES_4BIT.join(", ")}`, size);
  }
  if (!Number.isSafeInteger(size) || size < 1 || size > LARGEST_BLOCK_SIZE) {
    throw new ArgumentError("blockSize", `a whole number ≥ 1, at most ${LARGEST_BLOCK_SIZE}`, size);
  }
  return size;
}

/** @throws ArgumentError listing `allowed` */
export function oneOf<Value extends string>(
  argument: string,
  allowed: readonly Value[],
  value: string,
): Value {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) {
    throw new ArgumentError(argument, allowed.map((name) => `"${name}"`).join(" or "), value);
  }
  return found;
}
