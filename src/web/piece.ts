/** A part of a file on its way here: an answer whose bytes have places. */

import type { Answer } from "./answer.ts";
import { TransientError } from "./retry.ts";

export class Piece {
  readonly #answer: Answer;
  /** Behind the last byte. */
  readonly end: number;
  #position: number;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(answer: Answer, start: number, end: number) {
    this.#answer = answer;
    this.#position = start;
    this.end = end;
  }

  /** Of the next byte. */
  get position(): number {
    return this.#position;
  }

  /** @returns at least one byte, at most `byteCount` */
  async take(byteCount: number): Promise<Uint8Array> {
    while (this.#rest.byteLength === 0) this.#rest = await this.#chunk();
    const bytes = this.#rest.subarray(0, byteCount);
    this.#rest = this.#rest.subarray(bytes.byteLength);
    this.#position += bytes.byteLength;
    // The end of the body is read too: then the connection can be used again.
    if (this.#position === this.end) void this.#answer.drain();
    return bytes;
  }

  async skipTo(position: number): Promise<void> {
    while (this.#position < position) await this.take(position - this.#position);
  }

  /** All that is left, which must fit into memory. */
  async whole(): Promise<Uint8Array> {
    const bytes = new Uint8Array(this.end - this.#position);
    for (let filled = 0; filled < bytes.byteLength; ) {
      const some = await this.take(bytes.byteLength - filled);
      bytes.set(some, filled);
      filled += some.byteLength;
    }
    return bytes;
  }

  /** Nobody wants the rest. */
  discard(): void {
    if (this.end - this.#position > 1 << 16) this.#answer.cancel();
    else void this.#answer.drain();
  }

  cancel(): void {
    this.#answer.cancel();
  }

  async #chunk(): Promise<Uint8Array> {
    const chunk = await this.#answer.next();
    const left = this.end - this.#position;
    if (chunk === undefined) {
      throw new TransientError(
        `the answer ended ${left} bytes too early, at byte ${this.#position}`,
      );
    }
    if (chunk.byteLength > left) {
      this.#answer.cancel();
      throw new TransientError("the server sends more bytes than it said");
    }
    return chunk;
  }
}
