/** What `quantizeBlocks` and `dequantizeBlocks` are asked for, checked. */

import { ArgumentError } from "../foundation/errors.ts";
import {
  BLOCK_LAYOUTS,
  BLOCK_TYPES,
  type BlockLayout,
  type BlockType,
} from "../schemes/ggml/block-types.ts";
import { oneOf } from "../tensor/options.ts";

/** @throws ArgumentError listing the types */
export function layoutOf(type: BlockType): BlockLayout {
  return BLOCK_LAYOUTS[oneOf("type", BLOCK_TYPES, type)];
}

/** Blocks do not cross rows. @throws ArgumentError */
export function checkRows(type: BlockType, elementCount: number, rowLength: number): void {
  const { blockValues } = layoutOf(type);
  if (!Number.isSafeInteger(rowLength) || rowLength < 0 || rowLength % blockValues !== 0) {
    const expected = `a multiple of ${blockValues}, the block of ${type}`;
    throw new ArgumentError("rowLength", expected, rowLength);
  }
  if (rowLength === 0 ? elementCount > 0 : elementCount % rowLength !== 0) {
    throw new ArgumentError("weights", `rows of ${rowLength} elements`, `${elementCount} elements`);
  }
}

/** The caller's array for the result, or a new one. @throws ArgumentError for another length */
export function outOf(out: Uint8Array | undefined, byteCount: number): Uint8Array {
  if (out === undefined) return new Uint8Array(byteCount);
  if (!ArrayBuffer.isView(out) || out.BYTES_PER_ELEMENT !== 1) {
    throw new ArgumentError("out", "a Uint8Array", out);
  }
  if (out.byteLength === byteCount) return out;
  throw new ArgumentError("out", `${byteCount} bytes`, `${out.byteLength} bytes`);
}
