/** What the tokens of a safetensors header mean, and every rule that one entry must keep. */

import { FormatError, quoted } from "../../foundation/errors.ts";
import { spells, wholeNumber } from "../json/grammar.ts";
import { Scratch } from "../json/scratch.ts";
import type { JsonHandler } from "../json/tokenizer.ts";
import { decodeCheckedUtf8 } from "../json/utf8.ts";
import { DTYPES, type Dtype } from "./dtypes.ts";
import { MAX_METADATA_BYTES, MAX_METADATA_ENTRIES, MAX_NAME_BYTES, MAX_RANK } from "./limits.ts";
import { NameIndex } from "./name-index.ts";
import { TensorRecords } from "./tensor-records.ts";
import { tensorBytes } from "./tensor-size.ts";

// Where the parser is.
const START = 0;
const TOP = 1;
const METADATA_VALUE = 2;
const METADATA = 3;
const METADATA_TEXT = 4;
const ENTRY_VALUE = 5;
const ENTRY = 6;
const DTYPE_VALUE = 7;
const SHAPE_VALUE = 8;
const SHAPE = 9;
const OFFSETS_VALUE = 10;
const OFFSETS = 11;
const EXPECTED = [
  "an object of tensors",
  "a tensor's name",
  "__metadata__ to be an object of strings",
  "a key of __metadata__",
  "the values of __metadata__ to be strings",
  "an object with dtype, shape and data_offsets",
  "dtype, shape or data_offsets",
  "a dtype in double quotes",
  "shape to be an array of whole numbers",
  "a dimension from 0 to 2^53 − 1",
  "data_offsets to be an array of two whole numbers",
  "an offset from 0 to 2^53 − 1",
];

const FIELDS = ["dtype", "shape", "data_offsets"] as const;
const FIELD_STATES = [DTYPE_VALUE, SHAPE_VALUE, OFFSETS_VALUE];

export class HeaderHandler implements JsonHandler {
  readonly records: TensorRecords;
  readonly names: NameIndex;
  readonly metadata = new Map<string, string>();
  readonly #file: string;

  #state = START;
  #hasMetadata = false;
  #metadataBytes = 0;
  #metadataKey = "";

  // The entry at hand.
  readonly #name = new Scratch();
  #nameOffset = 0;
  #inEntry = false;
  /** Bit i: `FIELDS[i]` was seen. */
  #seen = 0;
  #dtypeRank = 0;
  readonly #shape: number[] = new Array(MAX_RANK).fill(0);
  #rank = 0;
  readonly #offsets: [number, number] = [0, 0];
  #offsetCount = 0;

  constructor(file: string, headerBytes: number) {
    this.#file = file;
    this.records = new TensorRecords(headerBytes);
    this.names = new NameIndex(this.records);
  }

  get maxStringBytes(): number {
    const inMetadata = this.#state === METADATA || this.#state === METADATA_TEXT;
    return inMetadata ? MAX_METADATA_BYTES - this.#metadataBytes : MAX_NAME_BYTES;
  }

  beginObject(offset: number): void {
    if (this.#state === START) this.#state = TOP;
    else if (this.#state === METADATA_VALUE) this.#state = METADATA;
    else if (this.#state === ENTRY_VALUE) {
      this.#state = ENTRY;
      this.#seen = 0;
    } else this.#wrong("an object", offset);
  }

  endObject(_offset: number): void {
    if (this.#state === ENTRY) this.#endEntry();
    this.#state = TOP;
  }

  beginArray(offset: number): void {
    if (this.#state === SHAPE_VALUE) {
      this.#state = SHAPE;
      this.#rank = 0;
    } else if (this.#state === OFFSETS_VALUE) {
      this.#state = OFFSETS;
      this.#offsetCount = 0;
    } else this.#wrong("an array", offset);
  }

  endArray(offset: number): void {
    if (this.#state === OFFSETS && this.#offsetCount !== 2) {
      this.fail(`data_offsets has ${this.#offsetCount} numbers, expected 2`, offset);
    }
    this.#state = ENTRY;
  }

  key(bytes: Uint8Array, start: number, end: number, offset: number): void {
    if (this.#state === ENTRY) this.#field(bytes, start, end, offset);
    else if (this.#state === METADATA) {
      this.#metadataKey = this.#metadataString(bytes, start, end);
      if (this.metadata.has(this.#metadataKey)) {
        this.fail(`__metadata__ has the key ${quoted(this.#metadataKey)} twice`, offset);
      }
      this.#state = METADATA_TEXT;
    } else this.#topKey(bytes, start, end, offset);
  }

  string(bytes: Uint8Array, start: number, end: number, offset: number): void {
    if (this.#state === METADATA_TEXT) {
      if (this.metadata.size === MAX_METADATA_ENTRIES) {
        this.fail(`__metadata__ has more than ${MAX_METADATA_ENTRIES} entries`, offset);
      }
      this.metadata.set(this.#metadataKey, this.#metadataString(bytes, start, end));
      this.#state = METADATA;
    } else if (this.#state === DTYPE_VALUE) {
      this.#dtypeRank = DTYPES.findIndex((dtype) => spells(bytes, start, end, dtype));
      if (this.#dtypeRank === -1) {
        const got = spell(bytes, start, end);
        this.fail(`unknown dtype ${got}, expected one of ${DTYPES.join(", ")}`, offset);
      }
      this.#state = ENTRY;
    } else this.#wrong("a string", offset);
  }

  number(bytes: Uint8Array, start: number, end: number, offset: number): void {
    const state = this.#state;
    if (state !== SHAPE && state !== OFFSETS) {
      this.#wrong(`the number ${numberText(bytes, start, end)}`, offset);
    }
    const value = wholeNumber(bytes, start, end);
    if (value === -1) this.#wrong(numberText(bytes, start, end), offset);
    if (state === SHAPE) {
      if (this.#rank === MAX_RANK) this.fail(`shape has more than ${MAX_RANK} dimensions`, offset);
      this.#shape[this.#rank++] = value;
    } else {
      if (this.#offsetCount === 2) this.fail("data_offsets has a third number", offset);
      this.#offsets[this.#offsetCount++] = value;
    }
  }

  word(word: string, offset: number): void {
    this.#wrong(word, offset);
  }

  fail(problem: string, offset: number): never {
    const tensor = this.#inEntry ? this.#nameText() : undefined;
    throw new FormatError(problem, { file: this.#file, tensor, offset });
  }

  #topKey(bytes: Uint8Array, start: number, end: number, offset: number): void {
    this.#inEntry = false;
    this.#name.clear();
    this.#name.add(bytes, start, end);
    if (spells(bytes, start, end, "__metadata__")) {
      if (this.#hasMetadata) this.fail("__metadata__ appears twice", offset);
      this.#hasMetadata = true;
      this.#state = METADATA_VALUE;
      return;
    }
    this.#inEntry = true;
    this.#nameOffset = offset;
    for (let at = start; at < end; at++) {
      if (bytes[at] === 0) this.fail("a tensor's name holds NUL, which is not allowed", offset);
    }
    if (this.names.find(this.#name.bytes, this.#name.byteCount) !== -1) {
      this.fail("this name appears twice in the header, expected once", offset);
    }
    this.#state = ENTRY_VALUE;
  }

  #field(bytes: Uint8Array, start: number, end: number, offset: number): void {
    const field = FIELDS.findIndex((name) => spells(bytes, start, end, name));
    if (field === -1) {
      this.fail(`unknown field ${spell(bytes, start, end)}, expected ${EXPECTED[ENTRY]}`, offset);
    }
    const isRepeated = (this.#seen & (1 << field)) !== 0;
    if (isRepeated) this.fail(`field ${FIELDS[field]} appears twice`, offset);
    this.#seen |= 1 << field;
    this.#state = FIELD_STATES[field] as number;
  }

  #endEntry(): void {
    const missing = FIELDS.find((_, field) => (this.#seen & (1 << field)) === 0);
    if (missing !== undefined) this.fail(`field ${missing} is missing`, this.#nameOffset);
    const dtype = DTYPES[this.#dtypeRank] as Dtype;
    const [begin, end] = this.#offsets;
    if (begin > end) {
      const problem = `data_offsets [${begin}, ${end}] end before they begin`;
      this.fail(problem, this.#nameOffset);
    }
    const size = tensorBytes(dtype, this.#shape, this.#rank);
    if (size !== end - begin) {
      const shape = `[${this.#shape.slice(0, this.#rank).join(", ")}]`;
      const needs = typeof size === "number" ? `takes ${size} bytes` : `is not allowed: ${size}`;
      const got = `data_offsets [${begin}, ${end}] span ${end - begin} bytes`;
      this.fail(`dtype ${dtype} with shape ${shape} ${needs}, ${got}`, this.#nameOffset);
    }
    const { bytes, byteCount } = this.#name;
    this.records.add(bytes, byteCount, this.#dtypeRank, this.#shape, this.#rank, begin);
    this.names.add(bytes, byteCount, this.records.count - 1);
    this.#inEntry = false;
  }

  #metadataString(bytes: Uint8Array, start: number, end: number): string {
    this.#metadataBytes += end - start;
    return decodeCheckedUtf8(bytes, start, end);
  }

  #nameText(): string {
    return decodeCheckedUtf8(this.#name.bytes, 0, this.#name.byteCount);
  }

  #wrong(got: string, offset: number): never {
    this.fail(`got ${got}, expected ${EXPECTED[this.#state]}`, offset);
  }
}

function numberText(bytes: Uint8Array, start: number, end: number): string {
  return decodeCheckedUtf8(bytes, start, Math.min(end, start + 40));
}

/** A string from the file, quoted and cut for a message. */
function spell(bytes: Uint8Array, start: number, end: number): string {
  return quoted(decodeCheckedUtf8(bytes, start, end).slice(0, 80));
}
