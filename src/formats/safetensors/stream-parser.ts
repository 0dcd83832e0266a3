/** A safetensors file that only flows forward: header first, then its data as it comes. */

import { FormatError } from "../../foundation/errors.ts";
import { HeaderParser } from "./header-parser.ts";
import type { TensorTable } from "./tensor-table.ts";

export interface SafetensorsHeaderEvent {
  readonly type: "header";
  readonly table: TensorTable;
  /** Where the data section begins in the file, in bytes. */
  readonly dataStart: number;
}

export interface SafetensorsDataEvent {
  readonly type: "data";
  /** Part of the chunk that was pushed; not a copy. */
  readonly bytes: Uint8Array;
  /** Where `bytes` begin, relative to the data section. */
  readonly position: number;
}

export type SafetensorsEvent = SafetensorsHeaderEvent | SafetensorsDataEvent;

export interface SafetensorsStreamParserOptions {
  /** How messages call the stream. @defaultValue "stream" */
  readonly file?: string | undefined;
}

/** Push parser for a whole file. After an error it must not be used again. */
export class SafetensorsStreamParser {
  readonly #file: string;
  readonly #header: HeaderParser;
  #table: TensorTable | undefined;
  #dataStart = 0;
  /** Data bytes seen. */
  #position = 0;

  constructor(options: SafetensorsStreamParserOptions = {}) {
    this.#file = options.file ?? "stream";
    this.#header = new HeaderParser({ file: this.#file });
  }

  /** The tensors, once the header is complete. */
  get table(): TensorTable | undefined {
    return this.#table;
  }

  /**
   * Reads on.
   *
   * @returns the header once, when it is complete, and at most one run of data bytes after it
   * @throws FormatError on a bad header, and on bytes behind the last tensor
   */
  push(chunk: Uint8Array): SafetensorsEvent[] {
    const events: SafetensorsEvent[] = [];
    let bytes = chunk;
    if (this.#table === undefined) {
      bytes = chunk.subarray(this.#header.push(chunk));
      if (!this.#header.done) return events;
      this.#table = this.#header.finish();
      this.#dataStart = this.#header.dataStart as number;
      events.push({ type: "header", table: this.#table, dataStart: this.#dataStart });
    }
    if (bytes.byteLength === 0) return events;
    const position = this.#position;
    this.#position += bytes.byteLength;
    const { dataBytes } = this.#table;
    if (this.#position > dataBytes) {
      throw new FormatError("trailing bytes behind the last tensor, none is allowed", {
        file: this.#file,
        offset: this.#dataStart + dataBytes,
      });
    }
    events.push({ type: "data", bytes, position });
    return events;
  }

  /**
   * Says that no more bytes come.
   *
   * @throws FormatError when the header or the data is incomplete
   */
  finish(): void {
    const table = this.#header.finish();
    if (this.#position === table.dataBytes) return;
    const index = firstReachingPast(table, this.#position);
    const taken = `its tensors take ${table.dataBytes} bytes, it has ${this.#position}`;
    throw new FormatError(`the file is truncated: ${taken}`, {
      file: this.#file,
      tensor: table.nameAt(index),
      offset: this.#dataStart + this.#position,
    });
  }
}

/** The tensor that the bytes at `position` belong to; `position` is inside the data section. */
function firstReachingPast(table: TensorTable, position: number): number {
  let low = 0;
  let high = table.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (table.at(middle).end > position) high = middle;
    else low = middle + 1;
  }
  return low;
}
