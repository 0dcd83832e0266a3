/** What a stored tensor is, in the words and bytes that tables show. */

import { elementCountOf } from "../../foundation/shape.ts";
import type { Coding } from "../../tensor/options.ts";
import { shapeOf } from "./compare.ts";
import type { StoredTensor } from "./stored-model.ts";

/** Bytes of a tensor with everything that is stored for it. */
export function storedBytes(tensor: StoredTensor): number {
  if (tensor.kind === "plain") return tensor.entry.end - tensor.entry.begin;
  const { codes, parts } = tensor.weight;
  return [codes, ...parts].reduce((sum, { entry }) => sum + entry.end - entry.begin, 0);
}

export function elementsOf(tensor: StoredTensor): number {
  return elementCountOf(shapeOf(tensor));
}

/** "nf4, block 64, double quantized", or a plain tensor's dtype. */
export function describeStored(tensor: StoredTensor): string {
  return tensor.kind === "plain" ? tensor.entry.dtype : describeCoding(tensor.weight.coding);
}

export function describeCoding(coding: Coding): string {
  switch (coding.family) {
    case "rows":
      return coding.quantType;
    case "codebook":
      return joined(coding.quantType, blocks(coding.blockSize), nested(coding.doubleQuant));
    case "affine": {
      const { quantType, symmetric, doubleQuant } = coding;
      const kind = symmetric ? "symmetric" : "";
      return joined(quantType, grain(coding), kind, nested(doubleQuant));
    }
    case "float":
      return joined(coding.quantType, grain(coding));
  }
}

function grain({ granularity, axis, blockSize }: Extract<Coding, { axis: number }>): string {
  if (granularity === "tensor") return "per tensor";
  return granularity === "channel" ? `per channel of axis ${axis}` : blocks(blockSize);
}

function blocks(blockSize: number): string {
  return `block ${blockSize}`;
}

function nested(doubleQuant: boolean): string {
  return doubleQuant ? "double quantized" : "";
}

function joined(...parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join(", ");
}
