/** A forward-only conversion as a stream that is read: back-pressure reaches the source. */

import { ByteStream } from "./byte-stream.ts";

export interface ConvertedStreamOptions {
  /** How errors call the source. @defaultValue "stream" */
  readonly name?: string;
  readonly signal?: AbortSignal;
}

/** Reads all it needs from `input`; `emit` copies the bytes, and settles when the reader took them. */
export type ForwardRun = (
  input: ByteStream,
  emit: (bytes: Uint8Array) => Promise<void>,
) => Promise<unknown>;

/**
 * Starts `run` at once; its errors reach whoever reads. Cancelling, or the signal, ends the source.
 */
export function convertedStream(
  source: ReadableStream<Uint8Array>,
  options: ConvertedStreamOptions,
  run: ForwardRun,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  // Ends everything: when the reader cancels, or when the caller's signal says so.
  const stop = new AbortController();
  let isCancelled = false;
  // The reader's wish for a chunk may come before the chunk is ready, or after.
  let isWanted = false;
  let wake = () => {};
  const onAbort = () => {
    stop.abort(options.signal?.reason);
    // The reader may have stalled.
    wake();
  };
  if (options.signal?.aborted === true) onAbort();
  else options.signal?.addEventListener("abort", onAbort, { once: true });
  const input = new ByteStream(source, options.name ?? "stream", stop.signal);

  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      start(controller) {
        const emit = async (bytes: Uint8Array) => {
          while (!isWanted && !stop.signal.aborted) {
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
          }
          stop.signal.throwIfAborted();
          isWanted = false;
          controller.enqueue(new Uint8Array(bytes));
        };
        void run(input, emit)
          .then(
            () => {
              if (!isCancelled) controller.close();
            },
            (error: unknown) => {
              if (!isCancelled) controller.error(error);
            },
          )
          .finally(() => options.signal?.removeEventListener("abort", onAbort));
      },
      pull() {
        isWanted = true;
        wake();
      },
      async cancel(reason) {
        isCancelled = true;
        stop.abort(reason);
        wake();
        await input.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
