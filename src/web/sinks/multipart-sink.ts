/** A stream that ends as one object of a store, whole or not at all. */

import { ArgumentError, checkSignal } from "../../foundation/errors.ts";
import type { MultipartTarget } from "./multipart-target.ts";
import { MultipartWriter } from "./multipart-writer.ts";
import { type PartSizeOptions, partSizeOf } from "./part-size.ts";

export interface MultipartSinkOptions extends PartSizeOptions {
  /** Parts that are under way at once; with the one that is being filled, so many are in memory. @defaultValue 2 */
  readonly concurrency?: number | undefined;
  /**
   * Aborting it ends the upload at once; the stream fails with its reason. A pipe's own signal waits
   * for parts under way, and comes too late while the stream closes.
   */
  readonly signal?: AbortSignal | undefined;
}

const MOST_CONCURRENCY = 64;

/**
 * Uploads what is written as one object. Closing the stream puts it under its key; until then, and
 * after an error or an abort, nothing is there that was not there before, and when the stream has
 * failed, no part of it is left in the store.
 *
 *   await quantized.pipeTo(multipartSink(r2Target(env.BUCKET, "model.safetensors")));
 *
 * Memory is `concurrency + 1` parts.
 *
 * @throws ArgumentError for options that the store cannot follow
 */
export function multipartSink(
  target: MultipartTarget,
  options: MultipartSinkOptions = {},
): WritableStream<Uint8Array> {
  if (typeof target?.begin !== "function") {
    throw new ArgumentError("target", "a target, as of r2Target or s3Target", target);
  }
  const { concurrency = 2, signal } = options;
  checkSignal(signal);
  if (!(Number.isInteger(concurrency) && concurrency >= 1 && concurrency <= MOST_CONCURRENCY)) {
    throw new ArgumentError(
      "concurrency",
      `a whole number from 1 to ${MOST_CONCURRENCY}`,
      concurrency,
    );
  }
  const partBytes = partSizeOf(target, options);
  const writer = new MultipartWriter(target, partBytes, concurrency);
  return new WritableStream<Uint8Array>({
    start(controller) {
      // A part may fail, or the caller give up, while nobody writes.
      writer.onFailure = (error) => controller.error(error);
      const onAbort = () => void writer.fail(signal?.reason);
      if (signal?.aborted === true) onAbort();
      else signal?.addEventListener("abort", onAbort, { once: true });
      writer.onEnd = () => signal?.removeEventListener("abort", onAbort);
      // Else an aborted stream would wait for the write under way.
      controller.signal?.addEventListener(
        "abort",
        () => void writer.fail(controller.signal.reason),
      );
    },
    write(chunk) {
      if (!ArrayBuffer.isView(chunk)) {
        throw new ArgumentError("stream", "chunks of Uint8Array", chunk);
      }
      return writer.write(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    },
    close: () => writer.close(),
    async abort(reason) {
      await writer.fail(reason);
      if (writer.leftover !== undefined) throw writer.leftover;
    },
  });
}
