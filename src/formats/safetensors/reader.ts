/** Reading safetensors: from a source with ranges, or from a stream. */

import type { ByteSource } from "../../foundation/byte-source.ts";
import { ArgumentError, FormatError } from "../../foundation/errors.ts";
import { HeaderParser } from "./header-parser.ts";
import { HEADER_WINDOW_BYTES, LENGTH_BYTES } from "./limits.ts";
import { type SafetensorsEvent, SafetensorsStreamParser } from "./stream-parser.ts";
import type { TensorEntry, TensorTable } from "./tensor-table.ts";

/** A file whose header was read and found valid against the file's size. */
export interface SafetensorsFile {
  readonly table: TensorTable;
  /** Where the data section begins in the file, in bytes; add it to an entry's offsets. */
  readonly dataStart: number;
  readonly source: ByteSource;
}

/**
 * Reads and validates the header; no tensor data is read.
 *
 * @throws FormatError when the file is not a whole, valid safetensors file
 */
export async function openSafetensors(source: ByteSource): Promise<SafetensorsFile> {
  const { name: file, size: fileByteLength } = source;
  const parser = new HeaderParser({ file, fileByteLength });
  const window = new Uint8Array(Math.min(HEADER_WINDOW_BYTES, fileByteLength));
  let position = 0;
  while (!parser.done) {
    const end = parser.dataStart ?? LENGTH_BYTES;
    const byteCount = Math.min(window.byteLength, end - position, fileByteLength - position);
    if (byteCount === 0) parser.finish();
    const bytes = window.subarray(0, byteCount);
    await source.read(bytes, position);
    parser.push(bytes);
    position += byteCount;
  }
  return { table: parser.finish(), dataStart: position, source };
}

/**
 * All bytes of one tensor, little-endian, in a buffer of their own.
 *
 * @throws FormatError when the source ends early, or the tensor is too large for one buffer here
 */
export async function readTensor(file: SafetensorsFile, entry: TensorEntry): Promise<Uint8Array> {
  const byteCount = entry.end - entry.begin;
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(byteCount);
  } catch (cause) {
    const problem = `${byteCount} bytes do not fit into one buffer, read it by ranges`;
    throw new FormatError(problem, { file: file.source.name, tensor: entry.name }, { cause });
  }
  if (byteCount > 0) await file.source.read(bytes, file.dataStart + entry.begin);
  return bytes;
}

/** One tensor of a stream. */
export interface SafetensorsPart {
  readonly entry: TensorEntry;
  /** All tensors of the stream; the same object in every part. */
  readonly table: TensorTable;
  /** The tensor's bytes in order, chunked as they came; may be read once, before the next part. */
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * The tensors of a stream in data order. What is left of a body when the next part is asked for is
 * skipped. Leaving the loop early cancels the stream.
 *
 * @throws FormatError when the stream is not a whole, valid safetensors file
 */
export async function* readSafetensors(
  stream: ReadableStream<Uint8Array>,
  options: { readonly file?: string; readonly signal?: AbortSignal } = {},
): AsyncGenerator<SafetensorsPart, void, undefined> {
  const reader = stream.getReader();
  const parser = new SafetensorsStreamParser({ file: options.file });
  let table: TensorTable | undefined;
  let rest = new Uint8Array(0) as Uint8Array;
  let isWhole = false;

  /** Reads chunks until there is data in `rest` or `enough` says so. */
  async function fill(enough: () => boolean): Promise<void> {
    while (rest.byteLength === 0 && !enough()) {
      options.signal?.throwIfAborted();
      const { done, value } = await reader.read();
      if (done) {
        parser.finish();
        isWhole = true;
        return;
      }
      for (const event of parser.push(value)) receive(event);
    }
  }
  function receive(event: SafetensorsEvent): void {
    if (event.type === "header") table = event.table;
    else rest = event.bytes;
  }

  try {
    await fill(() => table !== undefined);
    if (table !== undefined) {
      for (const entry of table) {
        let left = entry.end - entry.begin;
        let isTaken = false;
        const chunks = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
          while (left > 0) {
            await fill(() => false);
            const bytes = rest.subarray(0, left);
            rest = rest.subarray(bytes.byteLength);
            left -= bytes.byteLength;
            yield bytes;
          }
        };
        const body: AsyncIterable<Uint8Array> = {
          [Symbol.asyncIterator]() {
            if (isTaken) throw new ArgumentError("body", "to be read once", "a second reading");
            isTaken = true;
            return chunks();
          },
        };
        yield { entry, table, body };
        for await (const _ of chunks());
      }
    }
    while (!isWhole) await fill(() => false);
  } finally {
    if (!isWhole) await reader.cancel().catch(() => undefined);
    reader.releaseLock();
  }
}
