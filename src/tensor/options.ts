/** Options of `quantize`, checked in one place and completed with their defaults. */

import { FLOAT_DTYPES, type FloatDtype } from "../foundation/dtype.ts";
import { ArgumentError, PlanError } from "../foundation/errors.ts";
import type { QuantMode } from "../schemes/codebook.ts";
import type { QuantStorage, QuantType } from "./quantized-tensor.ts";

/** bitsandbytes `functional.quantize_4bit`. */
export const BLOCK_SIZES_4BIT: readonly number[] = [32, 64, 128, 256, 512, 1024, 2048, 4096];

/** bitsandbytes `functional.quantize_blockwise`. */
export const DEFAULT_BLOCK_SIZE_8BIT = 4096;

export const QUANT_TYPES: readonly QuantType[] = ["nf4", "fp4", "dynamic8", "llm-int8"];
export const QUANT_STORAGES: readonly QuantStorage[] = ["uint8", ...FLOAT_DTYPES];

/** How a tensor is coded, complete and checked. */
export interface Coding {
  readonly quantType: QuantType;
  readonly mode: QuantMode;
  /** Elements that share one absmax; 0 for llm-int8, whose blocks are rows. */
  readonly blockSize: number;
  readonly doubleQuant: boolean;
  readonly quantStorage: QuantStorage;
}

export interface CodingOptions {
  /** @defaultValue "nf4" */
  readonly quantType?: QuantType;
  /**
   * Elements that share one absmax: 32, 64 … 4096 for nf4 and fp4; any from 1 for dynamic8.
   * @defaultValue 64 at 4 bits; 4096 for dynamic8 (bitsandbytes' own defaults)
   */
  readonly blockSize?: number;
  /** Code the absmax in 8 bits too (bitsandbytes `compress_statistics`). @defaultValue true at 4 bits */
  readonly doubleQuant?: boolean;
  /** dtype that a file declares the packed bytes as. @defaultValue "uint8" */
  readonly quantStorage?: QuantStorage;
  /** Whose bits: bitsandbytes' default backend or its CUDA kernels. @defaultValue "torch" */
  readonly mode?: QuantMode;
}

/** @throws ArgumentError naming the option, what it got and what is allowed */
export function codingOf(options: CodingOptions): Coding {
  const quantType = oneOf("quantType", QUANT_TYPES, options.quantType ?? "nf4");
  const mode = oneOf("mode", ["torch", "cuda"], options.mode ?? "torch");
  const quantStorage = oneOf("quantStorage", QUANT_STORAGES, options.quantStorage ?? "uint8");
  const is4Bit = quantType === "nf4" || quantType === "fp4";
  if (options.doubleQuant === true && !is4Bit) {
    throw new ArgumentError("doubleQuant", `false for ${quantType}`, true);
  }
  if (quantStorage !== "uint8" && !is4Bit) {
    throw new ArgumentError("quantStorage", `"uint8" for ${quantType}`, quantStorage);
  }
  return {
    quantType,
    mode,
    blockSize: blockSizeOf(quantType, options.blockSize),
    doubleQuant: is4Bit && (options.doubleQuant ?? true),
    quantStorage,
  };
}

function blockSizeOf(quantType: QuantType, blockSize: number | undefined): number {
  switch (quantType) {
    case "nf4":
    case "fp4": {
      const size = blockSize ?? 64;
      if (!BLOCK_SIZES_4BIT.includes(size)) {
        throw new ArgumentError("blockSize", `one of ${BLOCK_SIZES_4BIT.join(", ")}`, size);
      }
      return size;
    }
    case "dynamic8": {
      const size = blockSize ?? DEFAULT_BLOCK_SIZE_8BIT;
      if (!Number.isSafeInteger(size) || size < 1) {
        throw new ArgumentError("blockSize", "a whole number ≥ 1", size);
      }
      return size;
    }
    case "llm-int8":
      if (blockSize !== undefined) {
        throw new ArgumentError("blockSize", "none for llm-int8, whose blocks are rows", blockSize);
      }
      return 0;
  }
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

/** Bytes of the packed 4-bit codes of `elementCount` weights: ceil(elementCount / 2). */
export function packedBytes(elementCount: number): number {
  return Math.floor(elementCount / 2) + (elementCount % 2);
}

/**
 * Bytes of one element of `storage`, having checked that the packed bytes divide by it.
 *
 * @throws PlanError otherwise: bitsandbytes' CUDA path would silently allocate too little
 */
export function storageBytes(storage: QuantStorage, elementCount: number, tensor?: string): number {
  const itemBytes = storage === "uint8" ? 1 : storage === "float32" ? 4 : 2;
  const packed = packedBytes(elementCount);
  if (packed % itemBytes !== 0) {
    throw new PlanError(
      `${tensor === undefined ? "weights" : `tensor "${tensor}"`}: ${packed} packed bytes do not ` +
        `divide into ${storage} elements of ${itemBytes} bytes; use quantStorage "uint8" for it`,
    );
  }
  return itemBytes;
}

export type { FloatDtype };
