/** What threads tell each other. */

import type { FilePlace } from "../foundation/byte-source.ts";
import type { FormatErrorPlace } from "../foundation/errors.ts";
import type { KernelChoice } from "../kernels/kernel-set.ts";
import type { EncodeJob } from "../tensor/encoder.ts";
import type { EncodedPart } from "../tensor/part-encoder.ts";

/** A part of a tensor to encode: the parameters of `PartEncoder.encode`. */
export interface EncodeRequest {
  readonly id: number;
  readonly kernels: KernelChoice;
  readonly job: EncodeJob;
  readonly weights: Uint8Array | FilePlace;
  readonly codes: Uint8Array | undefined;
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
  | { readonly kind: "format"; readonly message: string; readonly place: FormatErrorPlace }
  | { readonly kind: "storage" | "unsupported" | "unexpected"; readonly message: string };
