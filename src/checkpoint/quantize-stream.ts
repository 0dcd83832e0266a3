/** A safetensors byte stream in, a quantized one out: forward only, for edges. */

import { ArgumentError, checkSignal } from "../foundation/errors.ts";
import type { KernelChoice } from "../kernels/kernel-set.ts";
import type { KernelReport } from "../kernels/select.ts";
import { newWorkspace } from "../tensor/default-workspace.ts";
import type { Workspace } from "../tensor/workspace.ts";
import type { ModelIdentity } from "./architectures/index.ts";
import type { ByteStream } from "./byte-stream.ts";
import { convertedStream } from "./converted-stream.ts";
import { writeForward } from "./forward-file.ts";
import { Plan, type PlanOptions } from "./plan.ts";
import type { TensorReport } from "./report.ts";
import { refuseTooLargeUnits, streamReader } from "./unit-reader.ts";

export interface QuantizeStreamOptions extends PlanOptions {
  /** config.json's `model_type` and `architectures`: which tensors are linear layers. */
  readonly model?: ModelIdentity;
  /** How errors call the stream. @defaultValue "stream" */
  readonly name?: string;
  /** Let NaN and infinity through. @defaultValue false */
  readonly allowNonFinite?: boolean;
  /**
   * Most bytes of one tensor that may be held in memory: GPT-2's Conv1D, which is transposed, and
   * schemes whose scales need a statistic of the whole tensor. @defaultValue 256 MiB
   */
  readonly maxTensorBytes?: number;
  /** @defaultValue "auto" */
  readonly kernels?: KernelChoice;
  /** A compiled kernels.wasm, for runtimes that forbid compiling bytes. */
  readonly module?: WebAssembly.Module;
  readonly signal?: AbortSignal;
  /** Called after each source tensor. */
  readonly onTensor?: (report: TensorReport) => void;
}

/** Most bytes of one tensor that a stream holds, unless told otherwise. */
export const MAX_TENSOR_BYTES = 256 << 20;

/**
 * Quantizes a safetensors stream as it flows by: the header goes out first, back-pressure reaches
 * the source, and memory is two tiles plus one tensor's absmax, whatever the file's size.
 *
 *   readable.pipeThrough(new QuantizeSafetensorsStream({ quantType: "nf4" }))
 *
 * The values are those of a file conversion; the order of the tensors and the padding of the
 * `quant_state` texts differ (docs/formats.md).
 *
 * Errors of the library reach whoever reads `readable`; cancelling `readable` or aborting
 * `writable` ends the other side and frees everything.
 */
export class QuantizeSafetensorsStream implements TransformStream<Uint8Array, Uint8Array> {
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly writable: WritableStream<Uint8Array>;
  /** Which kernels run, and why. */
  readonly kernels: KernelReport;

  constructor(options: QuantizeStreamOptions = {}) {
    checkSignal(options.signal);
    // Checks the options now, not at the first byte.
    new Plan([], options.model ?? NO_MODEL, options);
    checkByteCount("maxTensorBytes", options.maxTensorBytes);
    const workspace = newWorkspace(options.kernels, options.module);
    const input = new TransformStream<Uint8Array, Uint8Array>();
    this.writable = input.writable;
    this.readable = convertedStream(input.readable, options, (stream, emit) =>
      quantizeForward(stream, emit, options, workspace),
    );
    this.kernels = workspace.report;
  }
}

/** @throws ArgumentError unless it is left out or a number of bytes */
export function checkByteCount(argument: string, value: number | undefined): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= 0)) return;
  throw new ArgumentError(argument, "a whole number of bytes", value);
}

const NO_MODEL: ModelIdentity = { architectures: [] };

/**
 * Reads a whole safetensors file from `input` and emits the quantized one. Where `input` is a byte
 * stream and `emit` copies or sends, nothing is left to the garbage collector.
 *
 * @param emit takes the bytes in order, first the whole header; their memory is used again when its
 * promise settles
 * @returns bytes emitted
 */
export async function quantizeForward(
  input: ByteStream,
  emit: (bytes: Uint8Array) => Promise<void>,
  options: QuantizeStreamOptions = {},
  workspace: Workspace = newWorkspace(options.kernels, options.module),
): Promise<number> {
  try {
    const table = await input.readHeader();
    const plan = new Plan([{ name: input.name, table }], options.model ?? NO_MODEL, options);
    const { maxTensorBytes = MAX_TENSOR_BYTES, allowNonFinite, signal, onTensor } = options;
    refuseTooLargeUnits(plan.units(), maxTensorBytes);
    const written = await writeForward(
      plan,
      (unit) => streamReader(input, unit, maxTensorBytes),
      emit,
      workspace,
      { allowNonFinite, signal, onTensor },
    );
    await input.expectEnd();
    return written;
  } catch (error) {
    await input.cancel(error);
    throw error;
  }
}
