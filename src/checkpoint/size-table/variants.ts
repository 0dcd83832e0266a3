/** Which codings get a row: every quant type in the ways that its options leave open. */

import { ArgumentError } from "../../foundation/errors.ts";
import { QUANT_TYPES, type QuantType, schemeOf } from "../../schemes/registry.ts";
import {
  type Coding,
  type CodingOptions,
  codingOf,
  GRANULARITIES,
  isApplicable,
  oneOf,
} from "../../tensor/options.ts";
import type { Granularity } from "../../tensor/quantized-tensor.ts";
import type { LayoutName } from "../layouts/layout.ts";
import { LAYOUT_NAMES, layoutOf } from "../layouts/registry.ts";

/** What a table is asked with. Each quant type takes of it what it knows. */
export interface VariantOptions
  extends Pick<CodingOptions, "blockSize" | "granularity" | "symmetric" | "doubleQuant"> {
  /** The rows. @defaultValue every quant type that `format` can hold */
  readonly quantTypes?: readonly QuantType[];
  /** @defaultValue "bitsandbytes" for nf4, fp4 and llm-int8, "native" for the others */
  readonly format?: LayoutName;
}

/** Options of `quantize`: only what was asked for or differs from the default. */
export type Variant = CodingOptions & { readonly quantType: QuantType };

/**
 * @param withDefaultBlocks lists the default block size too where another is asked for
 * @throws ArgumentError for an option that none of the quant types knows
 */
export function variantsOf(options: VariantOptions, withDefaultBlocks: boolean): Variant[] {
  const quantTypes = quantTypesOf(options);
  refuseIdle(quantTypes, options);
  return quantTypes.flatMap((type) => variantsOfType(type, options, withDefaultBlocks));
}

function quantTypesOf({ quantTypes, format }: VariantOptions): readonly QuantType[] {
  const asked = quantTypes?.map((name) => oneOf("quantType", QUANT_TYPES, name));
  if (asked?.length === 0) throw new ArgumentError("quantTypes", "one or more", asked);
  if (format === undefined) return [...new Set(asked ?? QUANT_TYPES)];
  oneOf("format", LAYOUT_NAMES, format);
  // What was named must fit; of all types, those that fit are meant.
  for (const quantType of asked ?? []) layoutOf(quantType, format);
  return [...new Set(asked ?? QUANT_TYPES)].filter((quantType) => isHeld(quantType, format));
}

function isHeld(quantType: QuantType, format: LayoutName): boolean {
  try {
    layoutOf(quantType, format);
    return true;
  } catch {
    return false;
  }
}

/** An option that would do nothing to any row is a misunderstanding. */
function refuseIdle(quantTypes: readonly QuantType[], options: VariantOptions): void {
  const { blockSize, granularity, symmetric, doubleQuant } = options;
  if (granularity !== undefined) oneOf("granularity", GRANULARITIES, granularity);
  if (blockSize !== undefined && (!Number.isSafeInteger(blockSize) || blockSize < 1)) {
    throw new ArgumentError("blockSize", "a whole number ≥ 1", blockSize);
  }
  const among = quantTypes.join(", ");
  const refuseUnless = (argument: string, isUsed: (quantType: QuantType) => boolean) => {
    if (quantTypes.some(isUsed)) return;
    const isSaid = granularity === undefined || argument === "granularity";
    const grain = isSaid ? "" : ` with granularity "${granularity}"`;
    const value = options[argument as keyof VariantOptions];
    throw new ArgumentError(argument, `none for ${among}${grain}`, value);
  };
  if (granularity !== undefined) refuseUnless("granularity", hasGranularity);
  if (blockSize !== undefined) {
    refuseUnless("blockSize", (type) => takesBlockSize(type) && mayHaveBlocks(type, options));
  }
  if (symmetric === true) refuseUnless("symmetric", isSigned);
  if (doubleQuant === true) {
    refuseUnless(
      "doubleQuant",
      (type) => isApplicable("doubleQuant", type) && mayHaveBlocks(type, options),
    );
  }
}

function variantsOfType(
  quantType: QuantType,
  options: VariantOptions,
  withDefaultBlocks: boolean,
): Variant[] {
  const defaults = codingOf({ quantType });
  const grains: CodingOptions[] = hasGranularity(quantType)
    ? granularitiesOf(options).flatMap((granularity) => {
        const isDefault = "granularity" in defaults && granularity === defaults.granularity;
        const grain = isDefault && options.granularity === undefined ? {} : { granularity };
        if (granularity !== "block") return [grain];
        const { blockSize } = codingOf({ quantType, granularity }) as { blockSize: number };
        return blocksOf(blockSize, options, withDefaultBlocks).map((block) => ({
          ...grain,
          ...block,
        }));
      })
    : takesBlockSize(quantType) && "blockSize" in defaults
      ? blocksOf(defaults.blockSize, options, withDefaultBlocks)
      : [{}];
  const symmetric = symmetricOf(quantType, options);
  return grains.flatMap((grain) => {
    const isInBlocks = (grain.granularity ?? "block") === "block";
    return doubleQuantsOf(defaults, isInBlocks, options).map((double) => ({
      quantType,
      ...grain,
      ...symmetric,
      ...double,
    }));
  });
}

function granularitiesOf({ granularity, format }: VariantOptions): readonly Granularity[] {
  if (granularity !== undefined) return [granularity];
  // Loaders of compressed-tensors take no packed weights with one scale a tensor.
  return format === "compressed-tensors" ? ["channel", "block"] : GRANULARITIES;
}

function blocksOf(
  defaultSize: number,
  { blockSize }: VariantOptions,
  withDefault: boolean,
): CodingOptions[] {
  if (blockSize === undefined) return [{}];
  return withDefault && blockSize !== defaultSize ? [{}, { blockSize }] : [{ blockSize }];
}

/** `false` asks for nothing, and may be said of every quant type. */
function symmetricOf(quantType: QuantType, { symmetric }: VariantOptions): CodingOptions {
  if (symmetric === undefined || (symmetric && !isSigned(quantType))) return {};
  return { symmetric };
}

function doubleQuantsOf(
  defaults: Coding,
  isInBlocks: boolean,
  { doubleQuant, format }: VariantOptions,
): CodingOptions[] {
  if (doubleQuant === false) return [{ doubleQuant }];
  if (!isApplicable("doubleQuant", defaults.quantType) || !isInBlocks) return [{}];
  if (doubleQuant === true) return [{ doubleQuant }];
  if (format === "compressed-tensors") return [{}];
  const isDefault = "doubleQuant" in defaults && defaults.doubleQuant;
  return [false, true].map((double) => (double === isDefault ? {} : { doubleQuant: double }));
}

function hasGranularity(quantType: QuantType): boolean {
  return isApplicable("granularity", quantType) && takesBlockSize(quantType);
}

function takesBlockSize(quantType: QuantType): boolean {
  const scheme = schemeOf(quantType);
  const isFixed = scheme.family === "float" && scheme.fixedBlockSize !== undefined;
  return isApplicable("blockSize", quantType) && !isFixed;
}

function mayHaveBlocks(quantType: QuantType, { granularity }: VariantOptions): boolean {
  return !hasGranularity(quantType) || granularity === undefined || granularity === "block";
}

function isSigned(quantType: QuantType): boolean {
  const scheme = schemeOf(quantType);
  return scheme.family === "affine" && scheme.format.signed;
}
