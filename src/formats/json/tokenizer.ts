/**
 * A push tokenizer for JSON bytes: linear time, memory of one token, any chunking. It checks the
 * grammar (RFC 8259) and UTF-8; what the tokens mean, and which keys repeat, is its handler's.
 */

import { isBare, isPlainInteger, NUMBER, spellByte } from "./grammar.ts";
import { Scratch } from "./scratch.ts";
import { StringReader } from "./string-reader.ts";

/**
 * Receives tokens in order. `bytes[start..end)` is the unescaped text in UTF-8, valid during the
 * call only. `offset` is where the token begins, counted from the tokenizer's origin.
 */
export interface JsonHandler {
  /** Longest string that is acceptable right now, in bytes. */
  readonly maxStringBytes: number;
  beginObject(offset: number): void;
  endObject(offset: number): void;
  beginArray(offset: number): void;
  endArray(offset: number): void;
  key(bytes: Uint8Array, start: number, end: number, offset: number): void;
  string(bytes: Uint8Array, start: number, end: number, offset: number): void;
  /** Any JSON number as it is spelled; with `allowNonFinite` also NaN, Infinity and -Infinity. */
  number(bytes: Uint8Array, start: number, end: number, offset: number): void;
  word(word: "true" | "false" | "null", offset: number): void;
  /** Throws what the file's owner wants thrown. */
  fail(problem: string, offset: number): never;
}

export interface JsonTokenizerOptions {
  /** Offset of the first byte that will be pushed. @defaultValue 0 */
  readonly origin?: number;
  /** Accept NaN, Infinity and -Infinity, as Python's `json` does. @defaultValue false */
  readonly allowNonFinite?: boolean;
}

/** Deepest nesting; serde_json's limit, far above any header, index or config. */
export const MAX_JSON_DEPTH = 128;

/** Longest number in bytes; a double's shortest decimal has 24. */
const MAX_NUMBER_BYTES = 1024;

// What the grammar allows next. The order matters: a string may begin up to KEY_OR_END.
const VALUE = 0;
const VALUE_OR_END = 1;
const KEY = 2;
const KEY_OR_END = 3;
const COLON = 4;
const COMMA_OR_END = 5;
const NOTHING = 6;
const ALLOWED = [
  "a value",
  "a value or ]",
  "a key in double quotes",
  "a key in double quotes or }",
  "a colon",
  "a comma or the end of the object or array",
  "nothing but spaces after the end",
];

// What the next byte is part of.
const BETWEEN = 0;
const STRING = 1;
const BARE = 2;

export class JsonTokenizer {
  readonly #handler: JsonHandler;
  readonly #allowNonFinite: boolean;
  readonly #strings: StringReader;
  /** 1 = object, 0 = array. */
  readonly #containers = new Uint8Array(MAX_JSON_DEPTH);
  #depth = 0;
  #expected = VALUE;
  #mode = BETWEEN;
  /** Offset of index 0 of the chunk at hand. */
  #origin: number;
  #tokenOffset = 0;
  #isKey = false;
  /** The beginning of a number or word that a chunk's end has cut. */
  readonly #bareBytes = new Scratch();

  constructor(handler: JsonHandler, options: JsonTokenizerOptions = {}) {
    this.#handler = handler;
    this.#strings = new StringReader((problem, offset) => handler.fail(problem, offset));
    this.#origin = options.origin ?? 0;
    this.#allowNonFinite = options.allowNonFinite ?? false;
  }

  /** Reads `chunk[from..to)`. What the handler throws passes through. */
  push(chunk: Uint8Array, from = 0, to = chunk.byteLength): void {
    this.#origin -= from;
    let at = from;
    while (at < to) {
      if (this.#mode === BETWEEN) at = this.#between(chunk, at, to);
      else if (this.#mode === STRING) at = this.#string(chunk, at, to);
      else at = this.#bare(chunk, at, to);
    }
    this.#origin += to;
  }

  /** Says that no more bytes come. */
  finish(): void {
    if (this.#mode === BARE) this.#endBare(this.#bareBytes.bytes, 0, this.#bareBytes.byteCount);
    if (this.#mode === STRING) this.#fail("the text ends inside a string", this.#origin);
    if (this.#expected !== NOTHING) {
      this.#fail(`the text ends where ${ALLOWED[this.#expected]} is expected`, this.#origin);
    }
  }

  #between(chunk: Uint8Array, from: number, to: number): number {
    for (let at = from; at < to; at++) {
      const byte = chunk[at] as number;
      if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) continue;
      const offset = this.#origin + at;
      const expected = this.#expected;
      if (byte === 0x22 && expected <= KEY_OR_END) {
        this.#isKey = expected >= KEY;
        this.#mode = STRING;
        this.#tokenOffset = offset;
        this.#strings.begin(offset, this.#handler.maxStringBytes);
        return at + 1;
      }
      if (byte === 0x3a && expected === COLON) this.#expected = VALUE;
      else if (byte === 0x2c && expected === COMMA_OR_END) {
        this.#expected = this.#containers[this.#depth - 1] === 1 ? KEY : VALUE;
      } else if ((byte === 0x7b || byte === 0x5b) && expected <= VALUE_OR_END) {
        this.#open(byte === 0x7b ? 1 : 0, offset);
      } else if (byte === 0x7d || byte === 0x5d) this.#close(byte, offset);
      else if (isBare(byte) && expected <= VALUE_OR_END) {
        this.#mode = BARE;
        this.#tokenOffset = offset;
        this.#bareBytes.clear();
        return at;
      } else this.#unexpected(byte, offset);
    }
    return to;
  }

  #open(isObject: 0 | 1, offset: number): void {
    if (this.#depth === MAX_JSON_DEPTH) {
      this.#fail(`nested deeper than ${MAX_JSON_DEPTH} levels`, offset);
    }
    this.#containers[this.#depth++] = isObject;
    this.#expected = isObject === 1 ? KEY_OR_END : VALUE_OR_END;
    if (isObject === 1) this.#handler.beginObject(offset);
    else this.#handler.beginArray(offset);
  }

  #close(byte: number, offset: number): void {
    const isObject = byte === 0x7d ? 1 : 0;
    const whenEmpty = isObject === 1 ? KEY_OR_END : VALUE_OR_END;
    const mayEnd = this.#expected === whenEmpty || this.#expected === COMMA_OR_END;
    if (!mayEnd || this.#containers[this.#depth - 1] !== isObject) this.#unexpected(byte, offset);
    this.#depth -= 1;
    this.#afterValue();
    if (isObject === 1) this.#handler.endObject(offset);
    else this.#handler.endArray(offset);
  }

  #string(chunk: Uint8Array, from: number, to: number): number {
    const strings = this.#strings;
    const next = strings.read(chunk, from, to, this.#origin);
    if (next === -1) return to;
    if (this.#isKey) {
      this.#mode = BETWEEN;
      this.#expected = COLON;
      this.#handler.key(strings.bytes, strings.start, strings.end, this.#tokenOffset);
    } else {
      this.#afterValue();
      this.#handler.string(strings.bytes, strings.start, strings.end, this.#tokenOffset);
    }
    return next;
  }

  #bare(chunk: Uint8Array, from: number, to: number): number {
    const cut = this.#bareBytes;
    let at = from;
    while (at < to && isBare(chunk[at] as number)) at += 1;
    if (cut.byteCount + at - from > MAX_NUMBER_BYTES) {
      this.#fail(`a number of more than ${MAX_NUMBER_BYTES} bytes`, this.#tokenOffset);
    }
    if (at < to && cut.byteCount === 0) this.#endBare(chunk, from, at);
    else {
      cut.add(chunk, from, at);
      if (at < to) this.#endBare(cut.bytes, 0, cut.byteCount);
    }
    return at;
  }

  #endBare(bytes: Uint8Array, start: number, end: number): void {
    this.#afterValue();
    if (!isPlainInteger(bytes, start, end)) {
      const text = String.fromCharCode(...bytes.subarray(start, end));
      if (text === "true" || text === "false" || text === "null") {
        this.#handler.word(text, this.#tokenOffset);
        return;
      }
      const isNonFinite = text === "NaN" || text === "Infinity" || text === "-Infinity";
      if (!(NUMBER.test(text) || (isNonFinite && this.#allowNonFinite))) {
        this.#fail(`${text.slice(0, 40)} is not a JSON value`, this.#tokenOffset);
      }
    }
    this.#handler.number(bytes, start, end, this.#tokenOffset);
  }

  #afterValue(): void {
    this.#mode = BETWEEN;
    this.#expected = this.#depth === 0 ? NOTHING : COMMA_OR_END;
  }

  #unexpected(byte: number, offset: number): never {
    this.#fail(`unexpected ${spellByte(byte)}, expected ${ALLOWED[this.#expected]}`, offset);
  }

  #fail(problem: string, offset: number): never {
    this.#handler.fail(problem, offset);
  }
}
