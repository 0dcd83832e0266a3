/**
 * Reads a safetensors header as its bytes come in, in linear time, and validates it whole: what
 * leaves here may be trusted. Rules and limits: docs/formats.md.
 */

import { FormatError } from "../../foundation/errors.ts";
import { spellByte } from "../json/grammar.ts";
import { JsonTokenizer } from "../json/tokenizer.ts";
import { decodeCheckedUtf8 } from "../json/utf8.ts";
import { DTYPES, type Dtype } from "./dtypes.ts";
import { HeaderHandler } from "./header-handler.ts";
import { LENGTH_BYTES, MAX_HEADER_BYTES } from "./limits.ts";
import type { TensorRecords } from "./tensor-records.ts";
import { tensorBytes } from "./tensor-size.ts";
import { TensorTable } from "./tensor-table.ts";

export interface HeaderParserOptions {
  /** How messages call the file. */
  readonly file: string;
  /** Bytes of the whole file, where known: a header or a tensor beyond it is refused. */
  readonly fileByteLength?: number | undefined;
  /** Bytes after the header, where that is what is known. */
  readonly dataByteLength?: number | undefined;
  /** Longest header that is accepted, in bytes. @defaultValue 512 MiB */
  readonly maxHeaderBytes?: number | undefined;
}

/**
 * Push parser for the 8 length bytes and the JSON header behind them. After an error it must not
 * be used again.
 */
export class HeaderParser {
  readonly #options: HeaderParserOptions;
  readonly #lengthBytes = new Uint8Array(LENGTH_BYTES);
  /** Bytes of the file read so far. */
  #position = 0;
  #dataStart: number | undefined;
  #handler: HeaderHandler | undefined;
  #tokenizer: JsonTokenizer | undefined;
  #table: TensorTable | undefined;

  constructor(options: HeaderParserOptions) {
    this.#options = options;
  }

  /** Where the data section begins in the file; unknown until 8 bytes were read. */
  get dataStart(): number | undefined {
    return this.#dataStart;
  }

  /** True when the header is complete and valid. */
  get done(): boolean {
    return this.#table !== undefined;
  }

  /**
   * Reads on.
   *
   * @returns how many bytes of `chunk` belong to the header; the rest is data
   * @throws FormatError
   */
  push(chunk: Uint8Array): number {
    let at = 0;
    while (this.#position < LENGTH_BYTES && at < chunk.byteLength) {
      this.#lengthBytes[this.#position++] = chunk[at++] as number;
      if (this.#position === LENGTH_BYTES) this.#begin();
    }
    const end = this.#dataStart;
    if (end === undefined || this.#table !== undefined) return at;
    const to = Math.min(chunk.byteLength, at + end - this.#position);
    if (this.#position === LENGTH_BYTES && at < to && chunk[at] !== 0x7b) {
      const got = spellByte(chunk[at] as number);
      this.#fail(`the header begins with ${got}, expected {`, LENGTH_BYTES);
    }
    this.#tokenizer?.push(chunk, at, to);
    this.#position += to - at;
    if (this.#position === end) this.#end(end);
    return to;
  }

  /**
   * Says that no more bytes come and returns the tensors.
   *
   * @throws FormatError when the header is incomplete
   */
  finish(): TensorTable {
    if (this.#table !== undefined) return this.#table;
    if (this.#dataStart === undefined) {
      const got = `${this.#position} bytes`;
      this.#fail(`the file ends after ${got}, expected ${LENGTH_BYTES} of header length`, 0);
    }
    const problem = `the file ends inside the header, which reaches to byte ${this.#dataStart}`;
    this.#fail(problem, this.#position);
  }

  /** The header's length is known. */
  #begin(): void {
    const view = new DataView(this.#lengthBytes.buffer);
    const wanted = view.getBigUint64(0, true);
    const limit = this.#options.maxHeaderBytes ?? MAX_HEADER_BYTES;
    if (wanted === 0n) this.#fail("the header's length is 0, expected at least 2", 0);
    if (wanted > BigInt(limit)) {
      this.#fail(`the header's length is ${wanted} bytes, at most ${limit} are allowed`, 0);
    }
    const headerBytes = Number(wanted);
    const fileBytes = this.#options.fileByteLength;
    if (fileBytes !== undefined && headerBytes > fileBytes - LENGTH_BYTES) {
      const rest = `the file has ${fileBytes - LENGTH_BYTES} bytes behind its length`;
      this.#fail(`the header's length is ${headerBytes} bytes, ${rest}`, 0);
    }
    this.#dataStart = LENGTH_BYTES + headerBytes;
    this.#handler = new HeaderHandler(this.#options.file, headerBytes);
    this.#tokenizer = new JsonTokenizer(this.#handler, { origin: LENGTH_BYTES });
  }

  /** The header is complete: now the tensors must tile the data section. */
  #end(dataStart: number): void {
    this.#tokenizer?.finish();
    const handler = this.#handler as HeaderHandler;
    const { records, names } = handler;
    if (sortByOffset(handler)) names.reindex();
    let covered = 0;
    for (let index = 0; index < records.count; index++) {
      const { begin } = records.open(index);
      if (begin !== covered) {
        const tensor = nameOf(handler, index);
        const gap = Math.abs(begin - covered);
        const what = begin > covered ? "a hole" : "an overlap";
        const problem =
          `data_offsets begin at ${begin}, where the tensors before it end at ${covered}: ` +
          `${what} of ${gap} bytes, none is allowed`;
        this.#fail(problem, dataStart + begin, tensor);
      }
      covered += sizeOf(records);
    }
    this.#checkDataBytes(handler, dataStart, covered);
    this.#table = new TensorTable(records, names, handler.metadata, covered);
    this.#handler = undefined;
    this.#tokenizer = undefined;
  }

  #checkDataBytes(handler: HeaderHandler, dataStart: number, covered: number): void {
    const { fileByteLength, dataByteLength } = this.#options;
    const there = fileByteLength === undefined ? dataByteLength : fileByteLength - dataStart;
    if (there === undefined || there === covered) return;
    if (there > covered) {
      const extra = `${there - covered} trailing bytes behind the last tensor`;
      this.#fail(`${extra}, none is allowed`, dataStart + covered);
    }
    let index = handler.records.count - 1;
    while (index > 0 && handler.records.open(index).begin >= there) index -= 1;
    const problem = `the file is truncated: its tensors take ${covered} bytes, it has ${there}`;
    this.#fail(problem, dataStart + there, nameOf(handler, index));
  }

  #fail(problem: string, offset: number, tensor?: string): never {
    throw new FormatError(problem, { file: this.#options.file, tensor, offset });
  }
}

/** Puts the records into data order; false when they were. Stable, as the reference's sort. */
function sortByOffset({ records }: HeaderHandler): boolean {
  if (isSorted(records)) return false;
  const begins = new Float64Array(records.count);
  const sizes = new Float64Array(records.count);
  const order = new Uint32Array(records.count);
  for (let index = 0; index < records.count; index++) {
    begins[index] = records.open(index).begin;
    sizes[index] = sizeOf(records);
    order[index] = index;
  }
  order.sort((a, b) => {
    const byBegin = (begins[a] as number) - (begins[b] as number);
    return byBegin || (sizes[a] as number) - (sizes[b] as number) || a - b;
  });
  records.permute(order);
  return true;
}

function isSorted(records: TensorRecords): boolean {
  let lastBegin = 0;
  let lastSize = 0;
  for (let index = 0; index < records.count; index++) {
    const { begin } = records.open(index);
    const size = sizeOf(records);
    if (begin < lastBegin || (begin === lastBegin && size < lastSize)) return false;
    lastBegin = begin;
    lastSize = size;
  }
  return true;
}

/** Bytes of the tensor at the cursor; the handler has checked that it has a size. */
function sizeOf({ dtypeRank, shape, rank }: TensorRecords): number {
  return Number(tensorBytes(DTYPES[dtypeRank] as Dtype, shape, rank));
}

function nameOf({ records }: HeaderHandler, index: number): string {
  const { bytes, nameStart, nameEnd } = records.openName(index);
  return decodeCheckedUtf8(bytes, nameStart, nameEnd);
}
