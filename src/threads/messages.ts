/** What threads tell each other. */

import type { KernelChoice } from "../kernels/kernel-set.ts";
import type { EncodeJob } from "../tensor/encoder.ts";
import type { EncodedPart } from "../tensor/part-encoder.ts";

/** A part of a tensor to encode. Buffers are handed over, not copied. */
export interface EncodeRequest {
  readonly id: number;
  readonly kernels: KernelChoice;
  readonly job: EncodeJob;
  /** Weights of the part, in the job's dtype, from the beginning of the buffer. */
  readonly values: ArrayBuffer;
}

export type EncodeReply =
  | { readonly id: number; readonly part: EncodedPart }
  | { readonly id: number; readonly failure: Failure };

/** An error that crosses threads. */
export type Failure =
  | {
      readonly kind: "nonFinite";
      readonly message: string;
      readonly tensor: string | undefined;
      readonly index: number;
    }
  | { readonly kind: "unsupported"; readonly message: string }
  | { readonly kind: "unexpected"; readonly message: string };
