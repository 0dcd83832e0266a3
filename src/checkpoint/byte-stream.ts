/** A forward-only stream of bytes, read in the amounts that its reader wants. */

import { HeaderParser, type TensorTable } from "../formats/safetensors/index.ts";
import { ArgumentError, FormatError } from "../foundation/errors.ts";

const LENGTH_BYTES = 8;

/** Read at once where the stream fills a buffer of ours. */
const BUFFER_BYTES = 1 << 18;

interface Reader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  cancel(reason: unknown): Promise<void>;
}

/**
 * Reads a byte stream into one buffer again and again: gigabytes make no garbage. A chunk is to be
 * used before the next is read. Undefined where the stream or the runtime cannot.
 */
function bufferReader(stream: ReadableStream<Uint8Array>): Reader | undefined {
  let reader: ReadableStreamBYOBReader;
  try {
    reader = stream.getReader({ mode: "byob" });
  } catch {
    return undefined;
  }
  let buffer = new ArrayBuffer(BUFFER_BYTES);
  return {
    async read() {
      const { done, value } = await reader.read(new Uint8Array(buffer));
      // The buffer moves into the answer.
      if (value !== undefined) buffer = value.buffer;
      return { done, value };
    },
    cancel: (reason) => reader.cancel(reason),
  };
}

export class ByteStream {
  readonly name: string;
  readonly #reader: Reader;
  #rest: Uint8Array = new Uint8Array(0);
  #position = 0;
  #closed = false;
  readonly #signal: AbortSignal | undefined;

  /** @param signal aborting it cancels the stream; every later read throws its reason */
  constructor(stream: ReadableStream<Uint8Array>, name: string, signal?: AbortSignal) {
    this.#reader = bufferReader(stream) ?? stream.getReader();
    this.name = name;
    this.#signal = signal;
    if (signal?.aborted === true) void this.cancel(signal.reason);
    else signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Bytes that were taken so far: where it stands still, the other side is silent. */
  get position(): number {
    return this.#position;
  }

  readonly #onAbort = () => void this.cancel(this.#signal?.reason);

  /**
   * Fills `target`.
   *
   * @param tensor whose bytes they are, for the message
   * @throws FormatError when the stream ends before
   */
  async fill(target: Uint8Array, tensor?: string): Promise<void> {
    for (let filled = 0; filled < target.byteLength; ) {
      const piece = await this.#take(target.byteLength - filled);
      if (piece === undefined) {
        const missing = target.byteLength - filled;
        throw new FormatError(
          `the stream ends here, at least ${missing} bytes too early: it was cut off`,
          { file: this.name, offset: this.#position, tensor },
        );
      }
      target.set(piece, filled);
      filled += piece.byteLength;
    }
  }

  /** Reads and validates a safetensors header; the data follows. */
  async readHeader(): Promise<TensorTable> {
    const parser = new HeaderParser({ file: this.name });
    while (!parser.done) {
      const end = parser.dataStart ?? LENGTH_BYTES;
      const piece = await this.#take(end - this.#position);
      if (piece === undefined) break;
      parser.push(piece);
    }
    return parser.finish();
  }

  /**
   * Feeds a header's parser until it is done or the stream ends; what follows the header is next.
   *
   * @param parser `push` returns how many of the bytes belong to the header
   */
  async parse(parser: { readonly done: boolean; push(bytes: Uint8Array): number }): Promise<void> {
    while (!parser.done) {
      const piece = await this.#take(Number.POSITIVE_INFINITY);
      if (piece === undefined) return;
      const used = parser.push(piece);
      this.#rest = piece.subarray(used);
      this.#position -= piece.byteLength - used;
    }
  }

  /** @throws FormatError when bytes are left */
  async expectEnd(): Promise<void> {
    const piece = await this.#take(1);
    if (piece === undefined) return;
    throw new FormatError("bytes follow the last tensor; expected the end of the stream", {
      file: this.name,
      offset: this.#position - 1,
    });
  }

  /** Lets the other side know that nothing more is wanted. */
  async cancel(reason: unknown): Promise<void> {
    this.#signal?.removeEventListener("abort", this.#onAbort);
    if (this.#closed) return;
    this.#closed = true;
    await this.#reader.cancel(reason).catch(() => {});
  }

  /** Up to `byteCount` bytes, at least one; undefined at the end. */
  async #take(byteCount: number): Promise<Uint8Array | undefined> {
    while (this.#rest.byteLength === 0) {
      this.#signal?.throwIfAborted();
      const { done, value } = await this.#reader.read();
      // A cancelled stream ends as if it were whole.
      this.#signal?.throwIfAborted();
      if (done) {
        this.#closed = true;
        return undefined;
      }
      if (!ArrayBuffer.isView(value)) {
        throw new ArgumentError("stream", "chunks of Uint8Array", value);
      }
      this.#rest = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    }
    const piece = this.#rest.subarray(0, byteCount);
    this.#rest = this.#rest.subarray(piece.byteLength);
    this.#position += piece.byteLength;
    return piece;
  }
}
