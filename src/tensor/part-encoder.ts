/** Whoever encodes parts of tensors (`cutOf`) somewhere else: a pool of threads. */

import type { FilePlace } from "../foundation/byte-source.ts";
import type { KernelReport } from "../kernels/select.ts";
import type { EncodedScales, EncodeJob, ErrorSums } from "./encoder.ts";

/** A part's codes and scales. */
export interface EncodedPart {
  readonly codes: Uint8Array;
  readonly scales: EncodedScales;
  readonly sums?: ErrorSums;
  /** The weights that were handed over; a file has none to give back. */
  readonly weights?: Uint8Array;
  readonly report: KernelReport;
}

/**
 * Arrays in a `SharedArrayBuffer` are read and written where they are. The buffer of any other is
 * handed over, and comes back with the result.
 */
export interface PartEncoder {
  /** Parts that are worth having under way at once. */
  readonly size: number;
  /**
   * Files must stay open until all results are there, or the encoder is closed.
   *
   * @param weights bytes of the part's weights, or where they are in a file
   * @param codes where its codes go; their length is that of the codes. Without it they come in a
   * new array
   * @throws NonFiniteError with the element's index in the tensor; FormatError and StorageError for
   * a file; UnsupportedError
   */
  encode(job: EncodeJob, weights: Uint8Array | FilePlace, codes?: Uint8Array): Promise<EncodedPart>;
}

/** What is handed over with a message, rather than copied or shared. */
export function handedOver(arrays: Iterable<unknown>): ArrayBuffer[] {
  const buffers: ArrayBuffer[] = [];
  for (const array of arrays) {
    if (!ArrayBuffer.isView(array)) continue;
    const { buffer } = array;
    if (!isShared(buffer)) buffers.push(buffer);
  }
  return buffers;
}

/** By tag: the class is missing in pages that are not cross-origin isolated. */
export function isShared(buffer: ArrayBufferLike): buffer is SharedArrayBuffer {
  return Object.prototype.toString.call(buffer) === "[object SharedArrayBuffer]";
}
