/** The records that `quantizeEmbeddings` returns: plain data that survives `structuredClone`. */

import { ArgumentError } from "../../foundation/errors.ts";
import type { KernelReport } from "../../kernels/select.ts";
import { oneOf } from "../options.ts";
import { arrayName, checkDimensions } from "./checks.ts";
import { checkRanges, type EmbeddingRanges } from "./ranges.ts";

/** sentence-transformers' names: 8 bits or 1 bit a dimension; the codes signed or unsigned. */
export type EmbeddingPrecision = "int8" | "uint8" | "binary" | "ubinary";

export const EMBEDDING_PRECISIONS: readonly EmbeddingPrecision[] = [
  "int8",
  "uint8",
  "binary",
  "ubinary",
];

interface EmbeddingsBase<Precision extends EmbeddingPrecision> {
  readonly precision: Precision;
  /** Of the codes: rows, and dimensions or ceil(dimensions / 8). */
  readonly shape: readonly [rows: number, columns: number];
  /** Of one embedding. */
  readonly dimensions: number;
  /** Row-major; signed ones are the unsigned ones less 128. */
  readonly codes: Precision extends "int8" | "binary" ? Int8Array : Uint8Array;
  /** Which kernels ran, and why. */
  readonly kernels: KernelReport;
}

/** One byte a dimension: x ≈ min + code · (max − min) / 255. */
export interface ScalarEmbeddings<Precision extends "int8" | "uint8" = "int8" | "uint8">
  extends EmbeddingsBase<Precision> {
  readonly ranges: EmbeddingRanges;
}

/** One bit a dimension, x > 0, the first in the highest bit; each row begins a byte. */
export interface BinaryEmbeddings<Precision extends "binary" | "ubinary" = "binary" | "ubinary">
  extends EmbeddingsBase<Precision> {}

/** The record that `quantizeEmbeddings` returns for a precision. */
export type EmbeddingsBy<Precision extends EmbeddingPrecision> = Precision extends "int8" | "uint8"
  ? ScalarEmbeddings<Precision>
  : Precision extends "binary" | "ubinary"
    ? BinaryEmbeddings<Precision>
    : never;

export type QuantizedEmbeddings = EmbeddingsBy<EmbeddingPrecision>;

export function isSigned(precision: EmbeddingPrecision): boolean {
  return precision === "int8" || precision === "binary";
}

export function isBinary(precision: EmbeddingPrecision): precision is "binary" | "ubinary" {
  return precision === "binary" || precision === "ubinary";
}

/** Bytes of one row of codes. */
export function rowBytes(precision: EmbeddingPrecision, dimensions: number): number {
  return isBinary(precision) ? Math.ceil(dimensions / 8) : dimensions;
}

/** @throws ArgumentError for a record whose parts do not fit together */
export function checkEmbeddings(record: QuantizedEmbeddings): void {
  if (typeof record !== "object" || record === null) {
    throw new ArgumentError("record", "one that quantizeEmbeddings returned", record);
  }
  const { precision, shape, dimensions, codes } = record;
  oneOf("record.precision", EMBEDDING_PRECISIONS, precision);
  checkDimensions(dimensions, "record.dimensions");
  const columns = rowBytes(precision, dimensions);
  const rows = Array.isArray(shape) && shape.length === 2 ? (shape[0] as number) : -1;
  if (!Number.isSafeInteger(rows) || rows < 0 || shape[1] !== columns) {
    throw new ArgumentError("record.shape", `[rows, ${columns}]`, shape);
  }
  const expected = isSigned(precision) ? "Int8Array" : "Uint8Array";
  if (arrayName(codes) !== expected || codes.length !== rows * columns) {
    const allowed = `${expected} of ${rows * columns} elements`;
    throw new ArgumentError("record.codes", allowed, codes);
  }
  if (!isBinary(precision)) {
    checkRanges((record as ScalarEmbeddings).ranges, dimensions, "record.ranges");
  }
}

/** The codes as bytes, without a copy. */
export function codeBytes({ codes }: QuantizedEmbeddings): Uint8Array {
  return new Uint8Array(codes.buffer, codes.byteOffset, codes.byteLength);
}
