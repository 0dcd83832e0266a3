/**
 * Parses a GGUF header that comes in chunks. Every byte is looked at once; keys and values stay
 * views of one buffer. What is refused, and which of it ggml accepts: `docs/gguf.md`.
 */

import { FormatError, quoted } from "../../foundation/errors.ts";
import { HeaderBytes } from "./header-bytes.ts";
import {
  COUNTS_BYTES,
  DEFAULT_ALIGNMENT,
  MAGIC,
  MAX_ALIGNMENT,
  MAX_BYTES,
  MAX_DIMENSIONS,
  MAX_KEY_BYTES,
  MAX_KEYS,
  MAX_NAME_BYTES,
  MAX_TENSORS,
  MAX_VALUE_LENGTH,
} from "./limits.ts";
import { GgufMetadata } from "./metadata.ts";
import { aligned, type GgufTensor, ggufTensorBytes } from "./tensor.ts";
import { type GgufType, ggufTypeOf } from "./types.ts";
import { ARRAY_PREFIX_BYTES, type GgufValueType, VALUE_BYTES, VALUE_TYPES } from "./values.ts";

export const ALIGNMENT_KEY = "general.alignment";

export interface GgufHeader {
  /** 2 or 3; they have the same layout. */
  readonly version: number;
  readonly metadata: GgufMetadata;
  /** In the order of their data. */
  readonly tensors: readonly GgufTensor[];
  /** In bytes. */
  readonly alignment: number;
  /** Where the data section begins in the file, in bytes. */
  readonly dataStart: number;
  /** Bytes of the data section, with the padding behind every tensor. */
  readonly dataBytes: number;
}

export interface GgufHeaderParserOptions {
  /** How messages call the file. */
  readonly file?: string | undefined;
  /** Bytes of the file, where they are known. */
  readonly fileByteLength?: number | undefined;
}

/** A key whose value is there: a view of it is made when the buffer grows no more. */
interface Found {
  readonly key: string;
  readonly type: GgufValueType;
  readonly start: number;
  readonly end: number;
}

/** An array of strings whose end is not there yet. */
interface OpenArray {
  readonly at: number;
  readonly left: number;
}

export class GgufHeaderParser {
  readonly #file: string | undefined;
  readonly #fileByteLength: number;
  readonly #bytes: HeaderBytes;
  #version = 0;
  #tensorCount = 0;
  #keyCount = 0;
  readonly #entries: Found[] = [];
  readonly #keys = new Set<string>();
  readonly #tensors: GgufTensor[] = [];
  readonly #names = new Set<string>();
  #openArray: OpenArray | undefined;
  #alignment = DEFAULT_ALIGNMENT;
  #dataBytes = 0;
  #header: GgufHeader | undefined;

  constructor({ file, fileByteLength }: GgufHeaderParserOptions = {}) {
    this.#file = file;
    this.#fileByteLength = fileByteLength ?? MAX_BYTES;
    this.#bytes = new HeaderBytes(file, this.#fileByteLength);
  }

  get done(): boolean {
    return this.#header !== undefined;
  }

  /**
   * @returns how many of these bytes belong to the header; those behind are the padding and the data
   * @throws FormatError
   */
  push(bytes: Uint8Array): number {
    if (this.done) return 0;
    this.#bytes.push(bytes);
    while (!this.done && this.#step());
    return bytes.byteLength - (this.done ? this.#bytes.left : 0);
  }

  /** @throws FormatError when the header is not whole, or the file is too short for its tensors */
  finish(): GgufHeader {
    const header = this.#header;
    if (header === undefined) {
      return this.#fail("the file ends inside its header: it was cut off", this.#bytes.end);
    }
    const { dataStart, dataBytes } = header;
    if (dataStart + dataBytes > this.#fileByteLength) {
      const problem = `the tensors, each padded to ${header.alignment} bytes, end at byte ${dataStart + dataBytes}, but the file has ${this.#fileByteLength} bytes: it was cut off`;
      this.#fail(problem, this.#fileByteLength);
    }
    return header;
  }

  /** @returns false when the next item is not whole yet */
  #step(): boolean {
    if (this.#version === 0) return this.#counts();
    if (this.#entries.length < this.#keyCount) return this.#entry();
    if (this.#tensors.length < this.#tensorCount) return this.#tensor();
    const headerEnd = this.#bytes.at;
    this.#header = {
      version: this.#version,
      metadata: new GgufMetadata(
        this.#entries.map(({ key, type, start, end }) => ({
          ...{ key, type },
          bytes: this.#bytes.view(start, end),
        })),
        this.#file,
      ),
      tensors: this.#tensors,
      alignment: this.#alignment,
      dataStart: this.#tensorCount > 0 ? aligned(headerEnd, this.#alignment) : headerEnd,
      dataBytes: this.#dataBytes,
    };
    return true;
  }

  #counts(): boolean {
    const bytes = this.#bytes;
    if (bytes.left >= 4 && bytes.uint32(0) !== MAGIC) {
      this.#fail('the file does not begin with "GGUF"; is it a GGUF file?', 0);
    }
    if (bytes.left < COUNTS_BYTES) return false;
    const version = bytes.uint32(4);
    if ((version & 0xffff) === 0) {
      this.#fail("the file is big-endian, only little-endian files are read; convert it", 4);
    }
    if (version !== 2 && version !== 3) {
      this.#fail(`version ${version}, expected 2 or 3`, 4);
    }
    this.#tensorCount = this.#count("tensors", bytes.int64(8), MAX_TENSORS, 8);
    this.#keyCount = this.#count("keys", bytes.int64(16), MAX_KEYS, 16);
    this.#version = version;
    bytes.at = COUNTS_BYTES;
    return true;
  }

  #count(what: string, count: number, max: number, offset: number): number {
    if (count >= 0 && count <= max) return count;
    return this.#fail(`${count} ${what}, expected 0 to ${max}`, offset);
  }

  #entry(): boolean {
    const bytes = this.#bytes;
    const start = bytes.at;
    const keyEnd = bytes.stringEnd(start, MAX_KEY_BYTES, "a key");
    if (keyEnd < 0 || bytes.end < keyEnd + 4) return false;
    const valueStart = keyEnd + 4;
    // While an array comes in, its key has been looked at.
    const key = bytes.text(start + 8, keyEnd, "a key");
    if (this.#openArray === undefined) {
      if (key === "") this.#fail("an empty key", start);
      if (this.#keys.has(key)) this.#fail(`key ${quoted(key)} occurs twice`, start);
    }
    const type = this.#valueType(bytes.uint32(keyEnd), `key ${quoted(key)}`, keyEnd);
    const end = this.#valueEnd(key, type, valueStart);
    if (end < 0 || bytes.end < end) return false;
    this.#openArray = undefined;
    this.#keys.add(key);
    this.#entries.push({ key, type, start: valueStart, end });
    if (key === ALIGNMENT_KEY) this.#alignment = this.#alignmentOf(type, valueStart);
    bytes.at = end;
    return true;
  }

  #valueType(id: number, what: string, offset: number): GgufValueType {
    const type = VALUE_TYPES[id];
    if (type !== undefined) return type;
    return this.#fail(`${what} has a value of type ${id}, expected 0 to 12`, offset);
  }

  /** Where the value ends, maybe behind what is there; −1 while that is not known. */
  #valueEnd(key: string, type: GgufValueType, start: number): number {
    const bytes = this.#bytes;
    const what = `key ${quoted(key)}`;
    if (type === "string") return bytes.stringEnd(start, MAX_VALUE_LENGTH, what);
    if (type !== "array") return start + VALUE_BYTES[type];
    const first = start + ARRAY_PREFIX_BYTES;
    if (bytes.end < first) return -1;
    const elementType = this.#valueType(bytes.uint32(start), `${what}, an array,`, start);
    if (elementType === "array") {
      this.#fail(`${what} is an array of arrays, which ggml does not read either`, start);
    }
    const count = bytes.uint64(start + 4);
    if (count > MAX_VALUE_LENGTH) {
      this.#fail(`${what} has ${count} elements, at most ${MAX_VALUE_LENGTH} are allowed`, start);
    }
    // A string has its length at least.
    const elementBytes = VALUE_BYTES[elementType] || 8;
    bytes.checkEnd(first + count * elementBytes, what, start);
    if (elementType !== "string") return first + count * elementBytes;
    let { at, left } = this.#openArray ?? { at: first, left: count };
    for (; left > 0; left--) {
      const end = bytes.stringEnd(at, MAX_VALUE_LENGTH, what);
      if (end < 0 || bytes.end < end) {
        this.#openArray = { at, left };
        return -1;
      }
      at = end;
    }
    return at;
  }

  #alignmentOf(type: GgufValueType, offset: number): number {
    if (type !== "uint32") {
      this.#fail(`key ${quoted(ALIGNMENT_KEY)} is of type ${type}, expected uint32`, offset);
    }
    const alignment = this.#bytes.uint32(offset);
    if (alignment > 0 && alignment <= MAX_ALIGNMENT && (alignment & (alignment - 1)) === 0) {
      return alignment;
    }
    const expected = `a power of two up to ${MAX_ALIGNMENT}`;
    return this.#fail(`key ${quoted(ALIGNMENT_KEY)} is ${alignment}, expected ${expected}`, offset);
  }

  #tensor(): boolean {
    const bytes = this.#bytes;
    const start = bytes.at;
    const nameEnd = bytes.stringEnd(start, MAX_NAME_BYTES, "a tensor's name");
    if (nameEnd < 0 || bytes.end < nameEnd + 4) return false;
    const name = bytes.text(start + 8, nameEnd, "a tensor's name");
    if (this.#names.has(name)) this.#fail("the name occurs twice", start, name);
    const rank = bytes.uint32(nameEnd);
    if (rank > MAX_DIMENSIONS) {
      this.#fail(`${rank} dimensions, at most ${MAX_DIMENSIONS} are allowed`, nameEnd, name);
    }
    const typeAt = nameEnd + 4 + 8 * rank;
    const end = typeAt + 12;
    if (bytes.end < end) return false;
    const dimensions = Array.from({ length: rank }, (_, i) => bytes.int64(nameEnd + 4 + 8 * i));
    const bad = dimensions.find((n) => n < 0 || n > MAX_BYTES);
    if (bad !== undefined) {
      this.#fail(`a dimension of ${bad}, expected 0 to 2^53 − 1`, nameEnd, name);
    }
    const type = this.#tensorType(bytes.uint32(typeAt), typeAt, name);
    const size = ggufTensorBytes({ dimensions, type });
    if ("problem" in size) return this.#fail(size.problem, nameEnd, name);
    const { byteLength } = size;
    const offset = bytes.uint64(typeAt + 4);
    if (offset !== this.#dataBytes) {
      const expected = `${this.#dataBytes}, right behind the tensor before, padded`;
      this.#fail(`its data begins at ${offset}, expected ${expected}`, typeAt + 4, name);
    }
    this.#dataBytes += aligned(byteLength, this.#alignment);
    if (this.#dataBytes > MAX_BYTES) this.#fail("more than 2^53 − 1 bytes of data", start, name);
    this.#names.add(name);
    this.#tensors.push({ name, dimensions, type, offset, byteLength });
    bytes.at = end;
    return true;
  }

  #tensorType(id: number, offset: number, tensor: string): GgufType {
    const type = ggufTypeOf(id);
    if (type !== undefined) return type;
    return this.#fail(`type ${id}, which is unknown or was removed from ggml`, offset, tensor);
  }

  #fail(problem: string, offset: number, tensor?: string): never {
    throw new FormatError(problem, { file: this.#file, offset, tensor });
  }
}
