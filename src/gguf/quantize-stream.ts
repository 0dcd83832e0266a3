/** A GGUF byte stream in, a quantized one out: forward only. */

import type { ByteStream } from "../checkpoint/byte-stream.ts";
import { convertedStream } from "../checkpoint/converted-stream.ts";
import { type RunGgufOptions, runGguf } from "./convert.ts";
import { modelTensors, readStreamHeader, streamReader } from "./job.ts";
import { checkFileType, type GgufPlan, type GgufPlanOptions, planGguf } from "./plan.ts";

export interface QuantizeGgufStreamOptions extends Omit<GgufPlanOptions, "order">, RunGgufOptions {
  /** How errors call the stream. @defaultValue "stream" */
  readonly name?: string;
  readonly signal?: AbortSignal;
  /** What is planned, before the first byte goes out. */
  readonly onPlan?: (plan: GgufPlan) => void;
}

/**
 * Quantizes a GGUF stream as it flows by: the header goes out first, memory is one piece of a tensor.
 * The tensors are those of a file conversion, in the order of the source.
 *
 *   readable.pipeThrough(new QuantizeGgufStream({ fileType: "q4_k_m" }))
 */
export class QuantizeGgufStream implements TransformStream<Uint8Array, Uint8Array> {
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly writable: WritableStream<Uint8Array>;

  /** @throws ArgumentError */
  constructor(options: QuantizeGgufStreamOptions) {
    checkFileType(options.fileType);
    const input = new TransformStream<Uint8Array, Uint8Array>();
    this.writable = input.writable;
    this.readable = convertedStream(input.readable, options, (stream, emit) =>
      quantizeGgufForward(stream, emit, options),
    );
  }
}

/** Reads a whole GGUF file from `input` and emits the quantized one. */
async function quantizeGgufForward(
  input: ByteStream,
  emit: (bytes: Uint8Array) => Promise<void>,
  options: QuantizeGgufStreamOptions,
): Promise<void> {
  try {
    const header = await readStreamHeader(input);
    const tensors = modelTensors([header]);
    const plan = planGguf(header.metadata, tensors, { ...options, order: "source" });
    options.onPlan?.(plan);
    const reader = streamReader(input, header);
    await runGguf(plan, reader.open, emit, options);
    await reader.finish();
  } catch (error) {
    await input.cancel(error);
    throw error;
  }
}
