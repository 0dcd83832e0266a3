/** Exact scores of one query against every quantized embedding, or against some. */

import { ArgumentError } from "../../foundation/errors.ts";
import type { KernelChoice } from "../../kernels/kernel-set.ts";
import { sharedWorkspace } from "../default-workspace.ts";
import type { FloatArray } from "../float-array.ts";
import type { Workspace } from "../workspace.ts";
import { arrayName } from "./checks.ts";
import { stepsOf } from "./ranges.ts";
import {
  checkEmbeddings,
  codeBytes,
  type EmbeddingsBy,
  isBinary,
  isSigned,
  type QuantizedEmbeddings,
  type ScalarEmbeddings,
} from "./record.ts";
import { embeddingRows, nonFinite, tileRows, tilesOf } from "./rows.ts";
import { expandSigns } from "./signs.ts";

export interface SearchOptions {
  /** Rows to score, in this order. @defaultValue all of them */
  readonly rows?: ArrayLike<number>;
  /** @defaultValue "auto" */
  readonly kernels?: KernelChoice;
}

/**
 * In how many bits each row differs from a query.
 *
 * @param query codes of one embedding of the same precision, such as `.codes` of a record or a row
 *   of them
 * @param record binary or ubinary
 * @returns i32[rows]: 0 (all signs equal) … dimensions
 * @throws ArgumentError for a wrong query, record or row
 */
export function hammingDistances(
  query: Int8Array | Uint8Array,
  record: EmbeddingsBy<"binary" | "ubinary">,
  options: SearchOptions = {},
): Int32Array<ArrayBuffer> {
  checkEmbeddings(record);
  const { precision, shape } = record;
  if (!isBinary(precision)) {
    throw new ArgumentError("record.precision", '"binary" or "ubinary"', precision);
  }
  const byteCount = shape[1];
  const expected = isSigned(precision) ? "Int8Array" : "Uint8Array";
  if (arrayName(query) !== expected || query.length !== byteCount) {
    const allowed = `${expected} of ${byteCount} elements: one ${precision} embedding`;
    throw new ArgumentError("query", allowed, query);
  }
  const workspace = sharedWorkspace(options.kernels);
  const queryPtr = workspace.reserve("query", byteCount);
  const queryBytes = new Uint8Array(query.buffer, query.byteOffset, byteCount);
  workspace.bytes(queryPtr, byteCount).set(queryBytes);
  const distances = new Int32Array(countOf(record, options));
  const tileBytes = Math.min(distances.length, tileRows(byteCount)) * 4;
  const distancesPtr = workspace.reserve("scores", tileBytes);
  for (const { codesPtr, start, count } of codeTiles(workspace, record, options, false)) {
    workspace.kernels.hammingDistances(queryPtr, codesPtr, distancesPtr, count, byteCount);
    distances.set(new Int32Array(workspace.kernels.buffer, distancesPtr, count), start);
  }
  return distances;
}

export interface DotOptions extends SearchOptions {
  /** What a query in a Uint16Array holds. */
  readonly dtype?: "float16" | "bfloat16";
}

/**
 * Dot product of a float query with each row, expanded as `dequantizeEmbeddings` does, but without
 * expanding it: Σ q · (min + code · step) = Σ q · (min + 128 · step) + Σ (q · step) · (code − 128).
 * The second sum is in f32.
 *
 * Of 8 bits it is the cosine where the embeddings had length 1; of 1 bit it orders rows as
 * sentence-transformers' rescoring does, whose bits are 0 and 1.
 *
 * @param query one embedding in floats, not quantized; never changed
 * @returns f32[rows]
 * @throws ArgumentError for a wrong query, record or row
 * @throws NonFiniteError when the query holds NaN or infinity
 */
export function dotProducts(
  query: FloatArray,
  record: QuantizedEmbeddings,
  options: DotOptions = {},
): Float32Array<ArrayBuffer> {
  checkEmbeddings(record);
  const { dimensions, precision } = record;
  const workspace = sharedWorkspace(options.kernels);
  const { weights, base } = weightsOf(record, queryValues(workspace, query, record, options));
  const weightsPtr = workspace.reserve("query", dimensions * 4);
  workspace.floats(weightsPtr, dimensions).set(weights);
  const dots = new Float32Array(countOf(record, options));
  const tileBytes = Math.min(dots.length, tileRows(dimensions)) * 4;
  const dotsPtr = workspace.reserve("scores", tileBytes);
  // Signs are expanded to i8, whatever their bits were stored as.
  const signed = isBinary(precision) || isSigned(precision);
  for (const { codesPtr, start, count } of codeTiles(workspace, record, options, true)) {
    workspace.kernels.dotCodes(signed, weightsPtr, codesPtr, dotsPtr, count, dimensions);
    dots.set(workspace.floats(dotsPtr, count), start);
  }
  return base === 0 ? dots : dots.map((dot) => base + dot);
}

/** A copy of the query as f32. */
function queryValues(
  workspace: Workspace,
  query: FloatArray,
  { dimensions }: QuantizedEmbeddings,
  { dtype }: DotOptions,
): Float32Array {
  const rows = embeddingRows(query, dtype, dimensions, "query");
  if (rows.rowCount !== 1) {
    throw new ArgumentError("query", `${dimensions} elements: one embedding`, query);
  }
  for (const tile of tilesOf(workspace, rows)) {
    const values = workspace.floats(tile.valuesPtr, dimensions).slice();
    if (!values.every(Number.isFinite)) throw nonFinite(workspace, rows, tile);
    return values;
  }
  return new Float32Array();
}

/** What each code (less 128) counts, and what all rows have alike. */
function weightsOf(
  record: QuantizedEmbeddings,
  query: Float32Array,
): { readonly weights: Float32Array; readonly base: number } {
  if (isBinary(record.precision)) return { weights: query, base: 0 };
  const { ranges } = record as ScalarEmbeddings;
  const steps = stepsOf(ranges);
  const base = query.reduce((sum, value, dimension) => {
    const middle = (ranges.min[dimension] as number) + 128 * (steps[dimension] as number);
    return sum + value * middle;
  }, 0);
  return { weights: query.map((value, dimension) => value * (steps[dimension] as number)), base };
}

/** How many rows are asked for, having checked that they exist. */
function countOf({ shape }: QuantizedEmbeddings, { rows }: SearchOptions): number {
  if (rows === undefined) return shape[0];
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] as number;
    if (!Number.isSafeInteger(row) || row < 0 || row >= shape[0]) {
      const allowed = `whole numbers from 0 to ${shape[0] - 1}`;
      throw new ArgumentError("rows", allowed, `${row} at ${i}`);
    }
  }
  return rows.length;
}

/** Codes in kernel memory until the next tile: `count` rows, from place `start` of the result on. */
interface CodeTile {
  readonly codesPtr: number;
  readonly start: number;
  readonly count: number;
}

/** @param byDimension one byte a dimension: packed signs are expanded to i8 */
function* codeTiles(
  workspace: Workspace,
  record: QuantizedEmbeddings,
  options: SearchOptions,
  byDimension: boolean,
): Generator<CodeTile> {
  const { precision, dimensions, shape } = record;
  const bytes = codeBytes(record);
  const columns = shape[1];
  const total = countOf(record, options);
  const rowLength = byDimension ? dimensions : columns;
  const step = Math.min(total, tileRows(rowLength));
  const codesPtr = workspace.reserve("codes 0", step * rowLength);
  for (let start = 0; start < total; start += step) {
    const count = Math.min(step, total - start);
    const tile =
      options.rows === undefined
        ? bytes.subarray(start * columns, (start + count) * columns)
        : gathered(bytes, columns, options.rows, start, count);
    const codes =
      byDimension && isBinary(precision)
        ? expandSigns(tile, dimensions, isSigned(precision))
        : tile;
    workspace.bytes(codesPtr, count * rowLength).set(codes);
    yield { codesPtr, start, count };
  }
}

function gathered(
  bytes: Uint8Array,
  columns: number,
  rows: ArrayLike<number>,
  start: number,
  count: number,
): Uint8Array {
  const tile = new Uint8Array(count * columns);
  for (let i = 0; i < count; i++) {
    const from = (rows[start + i] as number) * columns;
    tile.set(bytes.subarray(from, from + columns), i * columns);
  }
  return tile;
}
