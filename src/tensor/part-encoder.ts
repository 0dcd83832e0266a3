/** Whoever encodes parts of tensors (`cutOf`) somewhere else: a pool of threads. */

import type { KernelReport } from "../kernels/select.ts";
import type { EncodedScales, EncodeJob, ErrorSums } from "./encoder.ts";

/** A part's codes and scales, and the buffer of its weights back. */
export interface EncodedPart {
  readonly codes: Uint8Array<ArrayBuffer>;
  readonly scales: EncodedScales;
  readonly sums?: ErrorSums;
  readonly values: ArrayBuffer;
  readonly report: KernelReport;
}

export interface PartEncoder {
  /** Parts that are worth having under way at once. */
  readonly size: number;
  /**
   * @param values weights of the part from the beginning of the buffer, which is handed over; it
   * comes back with the result
   * @throws NonFiniteError with the element's index in the tensor; UnsupportedError
   */
  encode(job: EncodeJob, values: ArrayBuffer): Promise<EncodedPart>;
}
