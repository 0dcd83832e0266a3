/** A forward-only stream of bytes, read in the amounts that its reader wants. */

import { HeaderParser, type TensorTable } from "../formats/safetensors/index.ts";
import { ArgumentError, FormatError } from "../foundation/errors.ts";

const LENGTH_BYTES = 8;

export class ByteStream {
  readonly name: string;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);
  #position = 0;
  #closed = false;
  readonly #signal: AbortSignal | undefined;

  /** @param signal aborting it cancels the stream; every later read throws its reason */
  constructor(stream: ReadableStream<Uint8Array>, name: string, signal?: AbortSignal) {
    this.#reader = stream.getReader();
    this.name = name;
    this.#signal = signal;
    if (signal?.aborted === true) void this.cancel(signal.reason);
    else signal?.addEventListener("abort", this.#onAbort, { once: true });
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
        throw new ArgumentError("stream", "chunks of Uint8Array", typeof value);
      }
      this.#rest = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    }
    const piece = this.#rest.subarray(0, byteCount);
    this.#rest = this.#rest.subarray(piece.byteLength);
    this.#position += piece.byteLength;
    return piece;
  }
}
