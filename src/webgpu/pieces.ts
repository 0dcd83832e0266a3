/** Tensors larger than a binding, or than a grid of workgroups, go through in pieces. */

import type { FloatDtype } from "../foundation/dtype.ts";
import type { GpuLimits } from "./gpu.ts";
import { WebGpuError } from "./outcome.ts";

/** Indices of elements are 32 bits; what is added to them must fit, too. */
const LARGEST_PIECE = 2 ** 31;

export interface PieceRules {
  /** Every piece but the last is a multiple of it. */
  readonly unit: number;
  /** Of the buffer that needs most. */
  readonly bytesPerElement: number;
  /** Elements that a workgroup does at least. */
  readonly elementsPerWorkgroup: number;
}

/**
 * Start and length of each piece, as few as the limits allow.
 *
 * @throws WebGpuError `too-large`
 */
export function piecesOf(
  limits: GpuLimits,
  elementCount: number,
  { unit, bytesPerElement, elementsPerWorkgroup }: PieceRules,
): { readonly start: number; readonly count: number }[] {
  const workgroups = limits.maxComputeWorkgroupsPerDimension ** 2;
  // Buffers are whole words.
  const bytes = limits.maxStorageBufferBindingSize - (limits.maxStorageBufferBindingSize % 4);
  const fits = Math.floor(
    Math.min(LARGEST_PIECE, bytes / bytesPerElement, workgroups * elementsPerWorkgroup),
  );
  const piece = elementCount <= fits ? elementCount : Math.floor(fits / unit) * unit;
  if (piece === 0 && elementCount > 0) {
    throw new WebGpuError(
      "too-large",
      `pieces of ${unit} elements (${unit * bytesPerElement} bytes) do not fit: a binding holds ${bytes} bytes`,
    );
  }
  const pieces = [];
  for (let start = 0; start < elementCount; start += piece) {
    pieces.push({ start, count: Math.min(piece, elementCount - start) });
  }
  return pieces;
}

/** DTYPE of wgsl/load.wgsl and wgsl/store.wgsl. */
export const dtypeConstant = (dtype: FloatDtype): number => DTYPE_ORDER.indexOf(dtype);

const DTYPE_ORDER: readonly FloatDtype[] = ["float32", "float16", "bfloat16"];

/** The smallest multiple of a block that is whole words of codes and of 16-bit floats. */
export function blockUnit(blockSize: number): number {
  let unit = blockSize;
  while (unit % 8 !== 0) unit *= 2;
  return unit;
}
