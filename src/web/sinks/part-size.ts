/** How large the parts of an object are. */

import { ArgumentError } from "../../foundation/errors.ts";
import type { MultipartTarget } from "./multipart-target.ts";

/** Large enough for 80 GB in 10,000 parts. */
const USUAL_PART_BYTES = 8 << 20;

/** Part sizes that follow from an object's size are multiples of this. */
const STEP_BYTES = 1 << 20;

export interface PartSizeOptions {
  /**
   * Bytes that will come at most, as far as known: parts are made large enough for them. The size
   * of what is quantized will do.
   */
  readonly expectedBytes?: number | undefined;
  /** Bytes of every part but the last. @defaultValue 8 MiB, or what `expectedBytes` needs */
  readonly partBytes?: number | undefined;
}

/** @throws ArgumentError for a size that the store refuses, or an object that it cannot hold */
export function partSizeOf(
  { minPartBytes, maxPartBytes, maxParts }: MultipartTarget,
  { expectedBytes, partBytes }: PartSizeOptions,
): number {
  if (partBytes !== undefined && !isWithin(partBytes, minPartBytes, maxPartBytes)) {
    const allowed = `a whole number of bytes from ${minPartBytes} to ${maxPartBytes}`;
    throw new ArgumentError("partBytes", allowed, partBytes);
  }
  const most = maxPartBytes * maxParts;
  if (expectedBytes !== undefined && !isWithin(expectedBytes, 0, most)) {
    throw new ArgumentError(
      "expectedBytes",
      `a whole number of bytes from 0 to ${most}`,
      expectedBytes,
    );
  }
  const needed = Math.ceil((expectedBytes ?? 0) / maxParts);
  if (partBytes !== undefined) {
    if (partBytes >= needed) return partBytes;
    const allowed = `at least ${needed} bytes for ${expectedBytes} bytes in ${maxParts} parts`;
    throw new ArgumentError("partBytes", allowed, partBytes);
  }
  const stepped = Math.ceil(needed / STEP_BYTES) * STEP_BYTES;
  return Math.min(maxPartBytes, Math.max(minPartBytes, USUAL_PART_BYTES, stepped));
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && value >= least && value <= most;
}
