/** The caller's floats, into kernel memory and out of it. */

import type { FloatBytes } from "../tensor/float-array.ts";
import type { LinearMemory } from "./memory.ts";

/** Rows of activations in kernel memory: f32, then zeros up to a multiple of 4 columns. */
export interface Activations {
  readonly ptr: number;
  /** Bytes from row to row. */
  readonly stride: number;
  readonly batchCount: number;
}

/** @returns where the floats now lie, as f32 */
export function placeFloats(memory: LinearMemory, name: string, input: FloatBytes): number {
  const { dtype, bytes, elementCount } = input;
  const ptr = memory.reserve(name, 4 * elementCount);
  if (dtype === "float32") {
    memory.bytes(ptr, bytes.byteLength).set(bytes);
    return ptr;
  }
  const halfPtr = memory.reserve("16 bits", bytes.byteLength);
  memory.bytes(halfPtr, bytes.byteLength).set(bytes);
  memory.kernels.widen(dtype, halfPtr, ptr, elementCount);
  return ptr;
}

export function placeActivations(
  memory: LinearMemory,
  input: FloatBytes,
  batchCount: number,
  columnCount: number,
): Activations {
  const ptr = placeFloats(memory, "x", input);
  const columns = wholeQuads(columnCount);
  if (columns === columnCount) return { ptr, stride: 4 * columns, batchCount };
  const paddedPtr = memory.reserve("padded x", 4 * columns * batchCount);
  const source = memory.floats(ptr, columnCount * batchCount);
  const target = memory.floats(paddedPtr, columns * batchCount).fill(0);
  for (let batch = 0; batch < batchCount; batch++) {
    const row = source.subarray(batch * columnCount, (batch + 1) * columnCount);
    target.set(row, batch * columns);
  }
  return { ptr: paddedPtr, stride: 4 * columns, batchCount };
}

/** Moves some columns to rows of their own; zeros are left in their places. */
export function takeColumns(
  memory: LinearMemory,
  { ptr, stride, batchCount }: Activations,
  columns: Int32Array,
): Activations {
  const own = wholeQuads(columns.length);
  const ownPtr = memory.reserve("kept x", 4 * own * batchCount);
  const source = memory.floats(ptr, (stride / 4) * batchCount);
  const target = memory.floats(ownPtr, own * batchCount).fill(0);
  for (let batch = 0; batch < batchCount; batch++) {
    for (const [i, column] of columns.entries()) {
      const at = batch * (stride / 4) + column;
      target[batch * own + i] = source[at] as number;
      source[at] = 0;
    }
  }
  return { ptr: ownPtr, stride: 4 * own, batchCount };
}

/** Rounds f32 to the dtype of `out` and copies it there. */
export function takeFloats(memory: LinearMemory, ptr: number, out: FloatBytes): void {
  const { dtype, bytes, elementCount } = out;
  if (dtype === "float32") {
    bytes.set(memory.bytes(ptr, bytes.byteLength));
    return;
  }
  const narrowPtr = memory.reserve("16 bits", bytes.byteLength);
  memory.kernels.narrow(dtype, ptr, narrowPtr, elementCount);
  bytes.set(memory.bytes(narrowPtr, bytes.byteLength));
}

function wholeQuads(columnCount: number): number {
  return 4 * Math.ceil(columnCount / 4);
}
