/** Reads one JSON string at a time out of chunks: escapes, surrogate pairs, UTF-8. */

import { hexDigit, SHORT_ESCAPES, spellByte } from "./grammar.ts";
import { Scratch } from "./scratch.ts";
import { hexByte, malformedUtf8At } from "./utf8.ts";

// What the next byte is part of.
const TEXT = 0;
const ESCAPE = 1;
const HEX = 2;

export class StringReader {
  /** After `read` has returned an index: the unescaped string is `bytes[start..end)`. */
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;

  readonly #fail: (problem: string, offset: number) => never;
  readonly #scratch = new Scratch();
  #offset = 0;
  #maxBytes = 0;
  /** Where the part of the string that is not yet in the scratch begins. */
  #segment = 0;
  #part = TEXT;
  #hasHighByte = false;
  #hasEscape = false;
  #hexDigits = 0;
  #hexValue = 0;
  /** A \u escape that waits for its second half, or 0. */
  #highSurrogate = 0;

  constructor(fail: (problem: string, offset: number) => never) {
    this.#fail = fail;
  }

  /** @param offset  of the opening quote, which has been read */
  begin(offset: number, maxBytes: number): void {
    this.#offset = offset;
    this.#maxBytes = maxBytes;
    this.#scratch.clear();
    this.#hasHighByte = false;
    this.#hasEscape = false;
  }

  /**
   * Reads on from `chunk[from]`; `chunk[0]` has the offset `origin`.
   *
   * @returns the index after the closing quote, or −1 when the chunk ended inside the string
   */
  read(chunk: Uint8Array, from: number, to: number, origin: number): number {
    this.#segment = from;
    for (let at = from; at < to; at++) {
      const byte = chunk[at] as number;
      if (this.#part !== TEXT) {
        if (this.#part === ESCAPE) this.#escape(byte, origin + at);
        else this.#hex(byte, origin + at);
        this.#segment = at + 1;
        continue;
      }
      if (this.#highSurrogate !== 0 && byte !== 0x5c) this.#loneSurrogate(origin + at);
      if (byte === 0x22) {
        this.#finish(chunk, at);
        return at + 1;
      }
      if (byte === 0x5c) {
        this.#keep(chunk, at);
        this.#hasEscape = true;
        this.#part = ESCAPE;
      } else if (byte >= 0x80) this.#hasHighByte = true;
      else if (byte < 0x20) {
        const shown = `0x${hexByte(byte)}`;
        this.#fail(`control character ${shown} in a string, expected an escape`, origin + at);
      }
    }
    if (this.#part === TEXT) this.#keep(chunk, to);
    return -1;
  }

  #escape(byte: number, offset: number): void {
    if (byte === 0x75) {
      this.#hexDigits = 0;
      this.#hexValue = 0;
      this.#part = HEX;
      return;
    }
    if (this.#highSurrogate !== 0) this.#loneSurrogate(offset);
    const point = SHORT_ESCAPES.get(byte);
    if (point === undefined) {
      const allowed = 'expected one of " \\ / b f n r t u';
      this.#fail(`unknown escape \\${spellByte(byte)}, ${allowed}`, offset);
    }
    this.#scratch.addCodePoint(point);
    this.#part = TEXT;
  }

  #hex(byte: number, offset: number): void {
    const digit = hexDigit(byte);
    if (digit === -1) {
      const problem = `${spellByte(byte)} in a \\u escape, expected four hexadecimal digits`;
      this.#fail(problem, offset);
    }
    this.#hexValue = this.#hexValue * 16 + digit;
    this.#hexDigits += 1;
    if (this.#hexDigits < 4) return;
    this.#part = TEXT;
    const unit = this.#hexValue;
    const high = this.#highSurrogate;
    const isLow = unit >= 0xdc00 && unit <= 0xdfff;
    if (isLow !== (high !== 0)) this.#loneSurrogate(offset);
    if (unit >= 0xd800 && unit <= 0xdbff) {
      this.#highSurrogate = unit;
      return;
    }
    this.#highSurrogate = 0;
    this.#scratch.addCodePoint(isLow ? 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00) : unit);
  }

  #finish(chunk: Uint8Array, at: number): void {
    const isWhole = this.#scratch.byteCount === 0;
    this.#checkLength(this.#scratch.byteCount + at - this.#segment);
    if (!isWhole) this.#keep(chunk, at);
    this.bytes = isWhole ? chunk : this.#scratch.bytes;
    this.start = isWhole ? this.#segment : 0;
    this.end = isWhole ? at : this.#scratch.byteCount;
    if (!this.#hasHighByte) return;
    const bad = malformedUtf8At(this.bytes, this.start, this.end);
    if (bad === -1) return;
    // Escapes are shorter unescaped: then the string's own offset must do.
    const offset = this.#hasEscape ? this.#offset : this.#offset + 1 + bad - this.start;
    this.#fail(`byte 0x${hexByte(this.bytes[bad])} in a string is not valid UTF-8`, offset);
  }

  /** Moves the open segment, up to `end`, into the scratch. */
  #keep(chunk: Uint8Array, end: number): void {
    this.#checkLength(this.#scratch.byteCount + end - this.#segment);
    this.#scratch.add(chunk, this.#segment, end);
    this.#segment = end;
  }

  #checkLength(byteCount: number): void {
    if (byteCount <= this.#maxBytes) return;
    const problem = `a string of more than ${this.#maxBytes} bytes, no more are allowed here`;
    this.#fail(problem, this.#offset);
  }

  #loneSurrogate(offset: number): never {
    this.#fail("a \\u escape for half of a surrogate pair", offset);
  }
}
