/** The bytes of a header as far as they have come, and numbers and strings in them. */

import { FormatError } from "../../foundation/errors.ts";
import { MAX_HEADER_BYTES } from "./limits.ts";

const FIRST_BYTES = 1 << 16;

export class HeaderBytes {
  /** Where the next item begins. */
  at = 0;
  /** Bytes that are there. */
  end = 0;
  readonly #file: string | undefined;
  readonly #fileByteLength: number;
  #bytes = new Uint8Array(FIRST_BYTES);
  #view = new DataView(this.#bytes.buffer);

  constructor(file: string | undefined, fileByteLength: number) {
    this.#file = file;
    this.#fileByteLength = fileByteLength;
  }

  /** Bytes behind `at`. */
  get left(): number {
    return this.end - this.at;
  }

  push(bytes: Uint8Array): void {
    const end = this.end + bytes.byteLength;
    if (end > this.#bytes.byteLength) {
      const larger = new Uint8Array(Math.max(end, 2 * this.#bytes.byteLength));
      larger.set(this.#bytes.subarray(0, this.end));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#bytes.set(bytes, this.end);
    this.end = end;
  }

  uint32(at: number): number {
    return this.#view.getUint32(at, true);
  }

  /** Rounded above 2^53. */
  uint64(at: number): number {
    return this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 2 ** 32;
  }

  /** Rounded beyond ±2^53. */
  int64(at: number): number {
    return this.#view.getUint32(at, true) + this.#view.getInt32(at + 4, true) * 2 ** 32;
  }

  /**
   * Where the string at `at` ends, maybe behind what is there; −1 while its length is not there.
   *
   * @throws FormatError when it is too long, or ends behind the file
   */
  stringEnd(at: number, maxBytes: number, what: string): number {
    if (this.end < at + 8) return -1;
    const byteCount = this.uint64(at);
    if (byteCount > maxBytes) {
      this.#fail(`${what} has ${byteCount} bytes, at most ${maxBytes} are allowed`, at);
    }
    this.checkEnd(at + 8 + byteCount, what, at);
    return at + 8 + byteCount;
  }

  /** @throws FormatError when what begins at `offset` cannot end there */
  checkEnd(end: number, what: string, offset: number): void {
    if (end > this.#fileByteLength) {
      this.#fail(`${what} ends at byte ${end}, but the file has ${this.#fileByteLength}`, offset);
    }
    if (end > MAX_HEADER_BYTES) {
      const problem = `${what} makes the header longer than ${MAX_HEADER_BYTES} bytes`;
      this.#fail(`${problem}, the most that is read`, offset);
    }
  }

  /** @throws FormatError when the bytes are not UTF-8 */
  text(start: number, end: number, what: string): string {
    try {
      return utf8.decode(this.#bytes.subarray(start, end));
    } catch {
      return this.#fail(`${what} is not valid UTF-8`, start);
    }
  }

  view(start: number, end: number): Uint8Array {
    return this.#bytes.subarray(start, end);
  }

  #fail(problem: string, offset: number): never {
    throw new FormatError(problem, { file: this.#file, offset });
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
