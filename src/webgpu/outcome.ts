/** What can come of trying a GPU, as data: every refusal and every failure has a name and a reason. */

import { QuantwiseError } from "../foundation/errors.ts";

/**
 * - `no-webgpu`: the runtime has no `navigator.gpu`
 * - `no-adapter`: it has, but gives no adapter
 * - `fallback-adapter`: the adapter computes on the CPU, which the WASM kernels do faster
 * - `no-device`: the adapter gives no device
 * - `self-test-failed`: the device computes something else than the reference
 * - `lost`: the device went away
 * - `out-of-memory`: a buffer could not be made
 * - `validation`: the implementation refused what it was asked to do
 * - `timeout`: nothing came back within the time limit
 * - `too-large`: not even the smallest piece fits the device's limits
 * - `unsupported`: there is no GPU kernel for these options
 * - `non-finite`: NaN or infinity, which the WASM kernels report or code
 * - `small`: fewer elements than are worth the way to the GPU
 * - `asked-for`: the caller chose
 */
export type Outcome =
  | "no-webgpu"
  | "no-adapter"
  | "fallback-adapter"
  | "no-device"
  | "self-test-failed"
  | "lost"
  | "out-of-memory"
  | "validation"
  | "timeout"
  | "too-large"
  | "unsupported"
  | "non-finite"
  | "small"
  | "asked-for";

/** The GPU was demanded (`device: "webgpu"`, or the caller's own buffers), and could not do it. */
export class WebGpuError extends QuantwiseError {
  override readonly name = "WebGpuError";
  readonly code = "WEBGPU";
  readonly outcome: Outcome;
  /** The message without its beginning. */
  readonly reason: string;

  constructor(outcome: Outcome, reason: string, options?: ErrorOptions) {
    super(`webgpu: ${reason}`, options);
    this.outcome = outcome;
    this.reason = reason;
  }
}

/** Where a call ran, and why there. */
export interface RanOn {
  readonly device: "webgpu" | "wasm" | "reference";
  /** Absent where the GPU ran. */
  readonly outcome?: Outcome;
  readonly reason: string;
}

/** The words of any thrown value. */
export function wordsOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
