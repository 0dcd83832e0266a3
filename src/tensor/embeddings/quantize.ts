/** `quantizeEmbeddings` and back: vectors for search at 8 bits or 1 bit a dimension. */

import type { FloatDtype } from "../../foundation/dtype.ts";
import { ArgumentError } from "../../foundation/errors.ts";
import type { KernelChoice } from "../../kernels/kernel-set.ts";
import { sharedWorkspace } from "../default-workspace.ts";
import type { FloatArray } from "../float-array.ts";
import { oneOf } from "../options.ts";
import type { Workspace } from "../workspace.ts";
import { checkRanges, checkWidths, type EmbeddingRanges, stepsOf, widen } from "./ranges.ts";
import {
  checkEmbeddings,
  codeBytes,
  EMBEDDING_PRECISIONS,
  type EmbeddingPrecision,
  type EmbeddingsBy,
  isBinary,
  isSigned,
  type QuantizedEmbeddings,
  rowBytes,
  type ScalarEmbeddings,
} from "./record.ts";
import { type EmbeddingRows, embeddingRows, nonFinite, tileRows, tilesOf } from "./rows.ts";
import { expandSigns } from "./signs.ts";

export interface QuantizeEmbeddingsOptions<
  Precision extends EmbeddingPrecision = EmbeddingPrecision,
> {
  readonly precision: Precision;
  /** Of one embedding: the row length. */
  readonly dimensions: number;
  /** What a Uint16Array holds. */
  readonly dtype?: FloatDtype;
  /** int8 and uint8 only: the range of each dimension (`calibrationRanges`). */
  readonly ranges?: EmbeddingRanges;
  /**
   * int8 and uint8 only, instead of `ranges`: embeddings whose ranges are taken, of the same dtype.
   * @defaultValue the embeddings themselves
   */
  readonly calibration?: FloatArray;
  /** @defaultValue "auto": WASM where it runs, the scalar reference elsewhere */
  readonly kernels?: KernelChoice;
}

/**
 * Quantizes embeddings with the arithmetic of sentence-transformers' `quantize_embeddings`, bit for
 * bit.
 *
 *   uint8:    code = floor((x − min) / step), clipped to 0 … 255; step = (max − min) / 255 in f32,
 *             or 1 where that is 0
 *   ubinary:  one bit a dimension, x > 0, the first in the highest bit; each row begins a byte
 *   int8, binary: the same, less 128
 *
 * @param embeddings rows of `dimensions` floats; never changed
 * @throws ArgumentError for a wrong option, array or length, and for ranges that cannot be had
 * @throws NonFiniteError when embeddings or calibration hold NaN or infinity
 * @throws UnsupportedError when `kernels: "wasm"` cannot run here
 */
export function quantizeEmbeddings<Precision extends EmbeddingPrecision>(
  embeddings: FloatArray,
  options: QuantizeEmbeddingsOptions<Precision>,
): EmbeddingsBy<Precision> {
  const precision = oneOf("precision", EMBEDDING_PRECISIONS, options.precision);
  const rows = embeddingRows(embeddings, options.dtype, options.dimensions, "embeddings");
  refuseInapplicable(options);
  const workspace = sharedWorkspace(options.kernels);
  const ranges = isBinary(precision) ? undefined : rangesOf(workspace, rows, options);
  const { rowCount, dimensions } = rows;
  const columns = rowBytes(precision, dimensions);
  const bytes = new Uint8Array(rowCount * columns);
  if (ranges === undefined) packAll(workspace, rows, isSigned(precision), bytes);
  else quantizeAll(workspace, rows, isSigned(precision), ranges, bytes);
  const record = {
    precision,
    shape: [rowCount, columns] as const,
    dimensions,
    codes: isSigned(precision) ? new Int8Array(bytes.buffer) : bytes,
    ...(ranges === undefined ? {} : { ranges }),
    kernels: workspace.report,
  };
  return record as QuantizedEmbeddings as EmbeddingsBy<Precision>;
}

function refuseInapplicable(options: QuantizeEmbeddingsOptions): void {
  const { precision, ranges, calibration } = options;
  for (const [name, value] of Object.entries({ ranges, calibration })) {
    if (value !== undefined && isBinary(precision)) {
      throw new ArgumentError(name, `none for ${precision}, which asks for the sign only`, value);
    }
  }
  if (ranges !== undefined && calibration !== undefined) {
    throw new ArgumentError("calibration", "none beside ranges", calibration);
  }
}

function rangesOf(
  workspace: Workspace,
  rows: EmbeddingRows,
  { ranges, calibration, dtype }: QuantizeEmbeddingsOptions,
): EmbeddingRanges {
  const { dimensions, rowCount } = rows;
  if (ranges !== undefined) {
    checkRanges(ranges, dimensions, "ranges");
    return { min: ranges.min.slice(), max: ranges.max.slice() };
  }
  let sample = rows;
  if (calibration !== undefined) {
    sample = embeddingRows(calibration, dtype, dimensions, "calibration");
    if (sample.rowCount === 0) {
      throw new ArgumentError("calibration", "at least one embedding", 0);
    }
  } else if (rowCount === 1) {
    const allowed = "ranges or a calibration for a single embedding, which has no range of its own";
    throw new ArgumentError("ranges", allowed, undefined);
  } else if (rowCount === 0) {
    // Nothing to quantize and nothing to calibrate with: an empty record all the same.
    return { min: new Float32Array(dimensions), max: new Float32Array(dimensions) };
  }
  const widened = widen(workspace, sample);
  checkWidths(widened, sample.argument);
  return widened;
}

function packAll(
  workspace: Workspace,
  rows: EmbeddingRows,
  signed: boolean,
  out: Uint8Array,
): void {
  const columns = Math.ceil(rows.dimensions / 8);
  const tileBytes = Math.min(rows.rowCount, tileRows(rows.dimensions * 4)) * columns;
  const codesPtr = workspace.reserve("codes 0", tileBytes);
  for (const tile of tilesOf(workspace, rows)) {
    const { valuesPtr, firstRow, rowCount } = tile;
    if (!workspace.kernels.packSigns(signed, valuesPtr, codesPtr, rowCount, rows.dimensions)) {
      throw nonFinite(workspace, rows, tile);
    }
    out.set(workspace.bytes(codesPtr, rowCount * columns), firstRow * columns);
  }
}

function quantizeAll(
  workspace: Workspace,
  rows: EmbeddingRows,
  signed: boolean,
  ranges: EmbeddingRanges,
  out: Uint8Array,
): void {
  const { dimensions } = rows;
  const codesPtr = workspace.reserve(
    "codes 0",
    Math.min(rows.rowCount, tileRows(dimensions * 4)) * dimensions,
  );
  const places = [...columnScales(workspace, ranges), codesPtr] as const;
  for (const tile of tilesOf(workspace, rows)) {
    const { valuesPtr, firstRow, rowCount } = tile;
    const call = [signed, valuesPtr, ...places, rowCount, dimensions] as const;
    if (!workspace.kernels.quantizeColumns(...call)) throw nonFinite(workspace, rows, tile);
    out.set(workspace.bytes(codesPtr, rowCount * dimensions), firstRow * dimensions);
  }
}

/** Addresses of start and step of each dimension. */
function columnScales(
  workspace: Workspace,
  ranges: EmbeddingRanges,
): readonly [startPtr: number, stepPtr: number] {
  const { length } = ranges.min;
  const startPtr = workspace.reserve("column starts", length * 4);
  const stepPtr = workspace.reserve("column steps", length * 4);
  workspace.floats(startPtr, length).set(ranges.min);
  workspace.floats(stepPtr, length).set(stepsOf(ranges));
  return [startPtr, stepPtr];
}

export interface DequantizeEmbeddingsOptions {
  /** @defaultValue "auto" */
  readonly kernels?: KernelChoice;
}

/**
 * Expands quantized embeddings, as sentence-transformers does before it rescores.
 *
 *   int8, uint8:      min + code · step (the code before 128 was subtracted): the lower end of what
 *                     has this code. In f64, then rounded to f32. Half a step more would change all
 *                     scores of a query by one constant, and no order
 *   binary, ubinary:  1 where the bit is set, −1 elsewhere
 *
 * @returns f32[rows · dimensions]
 * @throws ArgumentError for a record whose parts do not fit together
 */
export function dequantizeEmbeddings(
  record: QuantizedEmbeddings,
  options: DequantizeEmbeddingsOptions = {},
): Float32Array<ArrayBuffer> {
  checkEmbeddings(record);
  const { precision, dimensions, shape } = record;
  const workspace = sharedWorkspace(options.kernels);
  const bytes = codeBytes(record);
  if (isBinary(precision)) {
    return Float32Array.from(expandSigns(bytes, dimensions, isSigned(precision)));
  }
  const out = new Float32Array(shape[0] * dimensions);
  const step = Math.min(shape[0], tileRows(dimensions * 4)) * dimensions;
  const places = [
    workspace.reserve("codes 0", step),
    ...columnScales(workspace, (record as ScalarEmbeddings).ranges),
    workspace.reserve("values 0", step * 4),
  ] as const;
  for (let start = 0; start < bytes.length; start += step) {
    const codes = bytes.subarray(start, start + step);
    workspace.bytes(places[0], codes.length).set(codes);
    const rows = codes.length / dimensions;
    workspace.kernels.dequantizeColumns(isSigned(precision), ...places, rows, dimensions);
    out.set(workspace.floats(places[3], codes.length), start);
  }
  return out;
}
