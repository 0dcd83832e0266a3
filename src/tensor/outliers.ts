/**
 * LLM.int8's outlier columns (bitsandbytes `backends/default/ops.py`, `int8_vectorwise_quant`).
 *
 * Of activations, elements with |x| ≥ threshold are left out of their row's absmax and coded 0; with
 * more than one row, so is every other code of their column. A product then has two parts: codes
 * times codes, and in 16 bits the columns of the activations times those of the weights:
 *
 *   X·Wᵀ ≈ X₈·W₈ᵀ + X[:, columns]·W[:, columns]ᵀ
 */

import type { FloatDtype } from "../foundation/dtype.ts";
import { ArgumentError, NonFiniteError } from "../foundation/errors.ts";
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "../foundation/half.ts";
import { elementCountOf } from "../foundation/shape.ts";
import { type FloatArray, type FloatBytes, floatBytesOf } from "./float-array.ts";

export interface Outliers {
  /** Columns with at least one outlier, ascending. */
  readonly columns: Int32Array;
  /** The matrix as float16 with its outlier elements zeroed. */
  readonly cleaned: FloatBytes;
}

/** @throws NonFiniteError for infinity, which would pass as an outlier, unless that is allowed */
export function findOutliers(
  input: FloatBytes,
  columnCount: number,
  threshold: number,
  allowNonFinite: boolean,
): Outliers {
  const halves = toHalves(input);
  const isOutlierColumn = new Uint8Array(columnCount);
  for (let i = 0; i < halves.length; i++) {
    const value = f16ToF32(halves[i] as number);
    if (Math.abs(value) === Infinity && !allowNonFinite) {
      throw new NonFiniteError(undefined, i, value);
    }
    if (Math.abs(value) >= threshold) {
      isOutlierColumn[i % columnCount] = 1;
      halves[i] = 0;
    }
  }
  const columns = Int32Array.from(
    Array.from(isOutlierColumn.keys()).filter((column) => isOutlierColumn[column] === 1),
  );
  const bytes = new Uint8Array(halves.buffer);
  return { columns, cleaned: { dtype: "float16", bytes, elementCount: halves.length } };
}

/**
 * The columns of activations that hold an outlier: what `outlierColumns` of their weights should be.
 *
 * @param activations [tokens, columns], row-major
 * @param options.threshold |x| from which an activation is an outlier. @defaultValue 6, LLM.int8's
 * @returns ascending indices
 * @throws ArgumentError; NonFiniteError for infinity
 */
export function findOutlierColumns(
  activations: FloatArray,
  options: {
    readonly shape: readonly number[];
    readonly dtype?: FloatDtype;
    readonly threshold?: number;
  },
): Int32Array {
  const input = floatBytesOf(activations, options.dtype, "activations");
  const { shape, threshold = 6 } = options;
  const [, columnCount] = shape;
  if (
    columnCount === undefined ||
    shape.length !== 2 ||
    elementCountOf(shape) !== input.elementCount
  ) {
    const expected = `[tokens, columns] that multiply to ${input.elementCount}`;
    throw new ArgumentError("shape", expected, shape);
  }
  if (!(threshold > 0)) throw new ArgumentError("threshold", "a number > 0", threshold);
  return findOutliers(input, columnCount, threshold, false).columns;
}

/** @throws ArgumentError unless they are columns of the matrix in ascending order */
export function checkedColumns(columns: ArrayLike<number>, columnCount: number): Int32Array {
  for (let i = 0; i < columns.length; i++) {
    const column = columns[i] as number;
    const isNext = i === 0 || column > (columns[i - 1] as number);
    if (Number.isInteger(column) && column >= 0 && column < columnCount && isNext) continue;
    const expected = `ascending whole numbers from 0 to ${columnCount - 1}`;
    throw new ArgumentError(`outlierColumns[${i}]`, expected, column);
  }
  return Int32Array.from(columns);
}

/**
 * Takes columns out of a matrix: it is left with zeros there, rounded to float16.
 *
 * @throws NonFiniteError for a weight of theirs that float16 cannot hold, unless that is allowed
 */
export function keepColumns(
  input: FloatBytes,
  columnCount: number,
  columns: Int32Array,
  allowNonFinite: boolean,
): Outliers & { readonly weights: Uint16Array<ArrayBuffer> } {
  const halves = toHalves(input);
  const rows = columnCount === 0 ? 0 : halves.length / columnCount;
  const weights = new Uint16Array(rows * columns.length);
  for (let row = 0; row < rows; row++) {
    for (const [i, column] of columns.entries()) {
      const at = row * columnCount + column;
      const half = halves[at] as number;
      if (!allowNonFinite && (half & 0x7c00) === 0x7c00) {
        const isOverflow = input.dtype !== "float16";
        throw new NonFiniteError(undefined, at, valueAt(input, at), isOverflow);
      }
      weights[row * columns.length + i] = half;
      halves[at] = 0;
    }
  }
  const bytes = new Uint8Array(halves.buffer);
  return { columns, weights, cleaned: { dtype: "float16", bytes, elementCount: halves.length } };
}

/** Puts kept columns back into expanded weights, in whatever dtype these are. */
export function restoreColumns(
  out: FloatBytes,
  columnCount: number,
  columns: Int32Array,
  weights: Uint16Array,
): void {
  const { buffer, byteOffset } = out.bytes;
  const target =
    out.dtype === "float32"
      ? new Float32Array(buffer, byteOffset, out.elementCount)
      : new Uint16Array(buffer, byteOffset, out.elementCount);
  const as = {
    float32: f16ToF32,
    float16: (bits: number) => bits,
    bfloat16: (bits: number) => f32ToBf16(f16ToF32(bits)),
  }[out.dtype];
  for (let i = 0; i < weights.length; i++) {
    const row = Math.floor(i / columns.length);
    const column = columns[i % columns.length] as number;
    target[row * columnCount + column] = as(weights[i] as number);
  }
}

/** Sets the codes of the outlier columns to 0. A single row keeps its other codes. */
export function zeroColumns(codes: Int8Array, columnCount: number, columns: Int32Array): void {
  if (codes.length <= columnCount) return;
  for (let row = 0; row < codes.length; row += columnCount) {
    for (const column of columns) codes[row + column] = 0;
  }
}

function valueAt({ bytes, dtype }: FloatBytes, index: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  if (dtype === "float32") return view.getFloat32(4 * index, true);
  const bits = view.getUint16(2 * index, true);
  return dtype === "float16" ? f16ToF32(bits) : bf16ToF32(bits);
}

/** A float16 copy, rounded to nearest even. */
function toHalves(input: FloatBytes): Uint16Array<ArrayBuffer> {
  const copy = input.bytes.slice();
  switch (input.dtype) {
    case "float16":
      return new Uint16Array(copy.buffer);
    case "bfloat16":
      return Uint16Array.from(new Uint16Array(copy.buffer), (bits) => f32ToF16(bf16ToF32(bits)));
    case "float32":
      return Uint16Array.from(new Float32Array(copy.buffer), f32ToF16);
  }
}
