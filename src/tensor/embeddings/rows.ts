/** The caller's embeddings, tile by tile as f32 in kernel memory. */

import { type FloatDtype, floatBytes } from "../../foundation/dtype.ts";
import { ArgumentError, type NonFiniteError, nonFiniteEmbedding } from "../../foundation/errors.ts";
import { type FloatArray, type FloatBytes, floatBytesOf } from "../float-array.ts";
import { TILE_BYTES, type Workspace } from "../workspace.ts";
import { checkDimensions } from "./checks.ts";

export interface EmbeddingRows {
  /** How errors call them. */
  readonly argument: string;
  readonly input: FloatBytes;
  readonly rowCount: number;
  readonly dimensions: number;
}

/** @throws ArgumentError for another array, a wrong dtype, or a length that is not whole rows */
export function embeddingRows(
  array: FloatArray,
  dtype: FloatDtype | undefined,
  dimensions: number,
  argument: string,
): EmbeddingRows {
  checkDimensions(dimensions);
  const input = floatBytesOf(array, dtype, argument);
  const { elementCount } = input;
  if (elementCount % dimensions !== 0) {
    const allowed = `a multiple of ${dimensions} elements, which is one embedding`;
    throw new ArgumentError(argument, allowed, elementCount);
  }
  return { argument, input, rowCount: elementCount / dimensions, dimensions };
}

/** Rows that stand in kernel memory as f32 until the next tile. */
export interface Tile {
  readonly valuesPtr: number;
  readonly firstRow: number;
  readonly rowCount: number;
}

/** Rows of `rowBytes` that pass through the kernels at once. */
export function tileRows(rowBytes: number): number {
  return Math.max(1, Math.floor(TILE_BYTES / rowBytes));
}

export function* tilesOf(workspace: Workspace, rows: EmbeddingRows): Generator<Tile> {
  const { input, rowCount, dimensions } = rows;
  const { dtype, bytes } = input;
  const step = Math.min(rowCount, tileRows(dimensions * 4));
  const inputRowBytes = dimensions * floatBytes(dtype);
  const valuesPtr = workspace.reserve("values 0", step * dimensions * 4);
  const inputPtr =
    dtype === "float32" ? valuesPtr : workspace.reserve("values 1", step * inputRowBytes);
  for (let firstRow = 0; firstRow < rowCount; firstRow += step) {
    const count = Math.min(step, rowCount - firstRow);
    const start = firstRow * inputRowBytes;
    const tile = bytes.subarray(start, start + count * inputRowBytes);
    workspace.bytes(inputPtr, tile.byteLength).set(tile);
    if (dtype !== "float32") {
      workspace.kernels.convert(dtype, "float32", inputPtr, valuesPtr, count * dimensions);
    }
    yield { valuesPtr, firstRow, rowCount: count };
  }
}

/** The error for the first NaN or infinity of a tile that has one. */
export function nonFinite(workspace: Workspace, rows: EmbeddingRows, tile: Tile): NonFiniteError {
  const { dimensions, argument } = rows;
  const values = workspace.floats(tile.valuesPtr, tile.rowCount * dimensions);
  const at = values.findIndex((value) => !Number.isFinite(value));
  const index = tile.firstRow * dimensions + at;
  return nonFiniteEmbedding(argument, index, values[at] as number, dimensions);
}
