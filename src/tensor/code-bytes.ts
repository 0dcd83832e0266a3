/** How many bytes codes take. */

import { PlanError } from "../foundation/errors.ts";
import { type QuantType, SCHEMES } from "../schemes/registry.ts";
import type { QuantStorage } from "./quantized-tensor.ts";

/** Bytes of the packed 4-bit codes of `elementCount` weights: ceil(elementCount / 2). */
export function packedBytes(elementCount: number): number {
  return Math.floor(elementCount / 2) + (elementCount % 2);
}

/** Bytes of `elementCount` codes of a quant type. */
export function codeBytesOf(quantType: QuantType, elementCount: number): number {
  return SCHEMES[quantType].bits === 4 ? packedBytes(elementCount) : elementCount;
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
