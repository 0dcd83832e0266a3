/** Reading GGUF from a forward-only stream. */

import { ArgumentError, FormatError } from "../../foundation/errors.ts";
import { type GgufHeader, GgufHeaderParser } from "./header-parser.ts";
import type { GgufTensor } from "./tensor.ts";

/** One tensor of a stream. */
export interface GgufPart {
  readonly tensor: GgufTensor;
  /** The stream's header; the same object in every part. */
  readonly header: GgufHeader;
  /** The tensor's bytes in order, chunked as they came; may be read once, before the next part. */
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * The tensors of a stream in data order. What is left of a body when the next part is asked for is
 * skipped. Bytes behind the last tensor are not read. Leaving the loop early cancels the stream.
 *
 * @throws FormatError when the stream is not a whole, valid GGUF file
 */
export async function* readGguf(
  stream: ReadableStream<Uint8Array>,
  options: { readonly file?: string; readonly signal?: AbortSignal } = {},
): AsyncGenerator<GgufPart, void, undefined> {
  const { file, signal } = options;
  const reader = stream.getReader();
  const parser = new GgufHeaderParser({ file });
  let rest = new Uint8Array(0) as Uint8Array;
  let position = 0;
  let hasEnded = false;

  /** Up to `byteCount` bytes, at least one; undefined at the end. */
  async function take(byteCount: number): Promise<Uint8Array | undefined> {
    while (rest.byteLength === 0) {
      signal?.throwIfAborted();
      const { done, value } = await reader.read();
      if (done) {
        hasEnded = true;
        return undefined;
      }
      rest = value;
    }
    const bytes = rest.subarray(0, byteCount);
    rest = rest.subarray(bytes.byteLength);
    position += bytes.byteLength;
    return bytes;
  }
  async function* run(byteCount: number, tensor?: string): AsyncGenerator<Uint8Array, void> {
    for (let left = byteCount; left > 0; ) {
      const bytes = await take(left);
      if (bytes === undefined) {
        const problem = `the stream ends here, at least ${left} bytes too early: it was cut off`;
        throw new FormatError(problem, { file, offset: position, tensor });
      }
      left -= bytes.byteLength;
      yield bytes;
    }
  }

  try {
    while (!parser.done) {
      const bytes = await take(Infinity);
      if (bytes === undefined) break;
      const used = parser.push(bytes);
      rest = bytes.subarray(used);
      position -= rest.byteLength;
    }
    const header = parser.finish();
    for (const tensor of header.tensors) {
      const { name, offset, byteLength } = tensor;
      for await (const _ of run(header.dataStart + offset - position));
      const chunks = run(byteLength, name);
      let isTaken = false;
      const body: AsyncIterable<Uint8Array> = {
        [Symbol.asyncIterator]() {
          if (isTaken) throw new ArgumentError("body", "to be read once", "a second reading");
          isTaken = true;
          // Leaving it early must not end what skips the rest.
          return { next: () => chunks.next() };
        },
      };
      yield { tensor, header, body };
      for await (const _ of chunks);
    }
    for await (const _ of run(header.dataStart + header.dataBytes - position));
  } finally {
    if (!hasEnded) await reader.cancel().catch(() => undefined);
    reader.releaseLock();
  }
}
