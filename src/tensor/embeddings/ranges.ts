/** Ranges of dimensions: what maps an embedding to 8 bits. */

import type { FloatDtype } from "../../foundation/dtype.ts";
import { ArgumentError } from "../../foundation/errors.ts";
import type { KernelChoice } from "../../kernels/kernel-set.ts";
import { sharedWorkspace } from "../default-workspace.ts";
import type { FloatArray } from "../float-array.ts";
import type { Workspace } from "../workspace.ts";
import { arrayName } from "./checks.ts";
import { type EmbeddingRows, embeddingRows, nonFinite, tilesOf } from "./rows.ts";

/** Smallest and largest value of each dimension. Two f32[dimensions], plain data. */
export interface EmbeddingRanges {
  readonly min: Float32Array;
  readonly max: Float32Array;
}

export interface CalibrationOptions {
  /** Of one embedding: the row length. */
  readonly dimensions: number;
  /** What a Uint16Array holds. */
  readonly dtype?: FloatDtype;
  /** Ranges of earlier parts of the sample: the result covers them too. */
  readonly ranges?: EmbeddingRanges | undefined;
  /** @defaultValue "auto" */
  readonly kernels?: KernelChoice;
}

/**
 * Smallest and largest value of each dimension of a sample, in one go or part by part:
 *
 *   let ranges;
 *   for (const part of parts) ranges = calibrationRanges(part, { dimensions, ranges });
 *
 * Two ranges make one by the same way: a min and a max are embeddings themselves.
 *
 * @param embeddings rows of `dimensions` floats; never changed
 * @throws ArgumentError for a wrong option, array or length, and for a sample of nothing
 * @throws NonFiniteError when the sample holds NaN or infinity
 */
export function calibrationRanges(
  embeddings: FloatArray,
  options: CalibrationOptions,
): EmbeddingRanges {
  const { dimensions, dtype, ranges, kernels } = options;
  const rows = embeddingRows(embeddings, dtype, dimensions, "embeddings");
  if (ranges !== undefined) checkRanges(ranges, dimensions, "ranges");
  if (rows.rowCount === 0 && ranges === undefined) {
    throw new ArgumentError("embeddings", "at least one embedding", 0);
  }
  return widen(sharedWorkspace(kernels), rows, ranges);
}

/** The ranges of `rows`, and of `ranges` where there are some. */
export function widen(
  workspace: Workspace,
  rows: EmbeddingRows,
  ranges?: EmbeddingRanges,
): EmbeddingRanges {
  const { dimensions } = rows;
  const minPtr = workspace.reserve("column starts", dimensions * 4);
  const maxPtr = workspace.reserve("column steps", dimensions * 4);
  workspace.floats(minPtr, dimensions).fill(Infinity);
  workspace.floats(maxPtr, dimensions).fill(-Infinity);
  if (ranges !== undefined) {
    workspace.floats(minPtr, dimensions).set(ranges.min);
    workspace.floats(maxPtr, dimensions).set(ranges.max);
  }
  for (const tile of tilesOf(workspace, rows)) {
    const { valuesPtr, rowCount } = tile;
    if (!workspace.kernels.columnExtremes(valuesPtr, minPtr, maxPtr, rowCount, dimensions)) {
      throw nonFinite(workspace, rows, tile);
    }
  }
  return {
    min: workspace.floats(minPtr, dimensions).slice(),
    max: workspace.floats(maxPtr, dimensions).slice(),
  };
}

/** @throws ArgumentError naming the first dimension whose range cannot be used */
export function checkRanges(ranges: EmbeddingRanges, dimensions: number, argument: string): void {
  for (const name of ["min", "max"] as const) {
    const values = ranges?.[name];
    if (arrayName(values) !== "Float32Array" || values.length !== dimensions) {
      const allowed = `a Float32Array of ${dimensions} elements`;
      throw new ArgumentError(`${argument}.${name}`, allowed, values);
    }
  }
  checkWidths(ranges, argument);
}

/** Every min ≤ max, and max − min a finite f32: NaN and infinity fail, and so does −3e38 to 3e38. */
export function checkWidths({ min, max }: EmbeddingRanges, argument: string): void {
  for (const [dimension, low] of min.entries()) {
    const high = max[dimension] as number;
    if (low <= high && Number.isFinite(Math.fround(high - low))) continue;
    const allowed = "finite min ≤ max in each dimension, whose difference is finite in float32";
    const got = `min ${low} and max ${high} in dimension ${dimension}`;
    throw new ArgumentError(argument, allowed, got);
  }
}

/** step = fl(fl(max − min) / 255); 1 where that is 0, so that what is constant gets code 0. */
export function stepsOf({ min, max }: EmbeddingRanges): Float32Array {
  return min.map((low, dimension) => {
    const width = Math.fround((max[dimension] as number) - low);
    return Math.fround(width / 255) || 1;
  });
}
