/** Rows of q and k in the order of llama.cpp's rotary embedding, which pairs neighbours, not halves. */

import type { ByteSource } from "../../foundation/byte-source.ts";
import type { TensorBytes } from "../convert.ts";

/** Which row of the checkpoint is row `row` of the GGUF file. */
export function sourceRow(row: number, rows: number, heads: number): number {
  const dimension = rows / heads;
  const inHead = row % dimension;
  const half = inHead % 2;
  return row - inHead + half * (dimension / 2) + (inHead - half) / 2;
}

/** Reads rows in that order; a head at a time is in memory. */
export class PermutedBytes implements TensorBytes {
  readonly #source: ByteSource;
  readonly #position: number;
  readonly #rows: number;
  readonly #heads: number;
  readonly #rowBytes: number;
  #head = new Uint8Array(0);
  #taken = 0;
  #next = 0;

  constructor(
    source: ByteSource,
    position: number,
    byteLength: number,
    rows: number,
    heads: number,
  ) {
    this.#source = source;
    this.#position = position;
    this.#rows = rows;
    this.#heads = heads;
    this.#rowBytes = byteLength / rows;
  }

  async fill(target: Uint8Array): Promise<void> {
    for (let filled = 0; filled < target.byteLength; ) {
      if (this.#taken === this.#head.byteLength) await this.#readHead();
      const piece = this.#head.subarray(this.#taken, this.#taken + target.byteLength - filled);
      target.set(piece, filled);
      filled += piece.byteLength;
      this.#taken += piece.byteLength;
    }
  }

  async #readHead(): Promise<void> {
    const rowsInHead = this.#rows / this.#heads;
    const bytes = this.#rowBytes;
    const source = new Uint8Array(rowsInHead * bytes);
    const first = this.#next * rowsInHead;
    await this.#source.read(source, this.#position + first * bytes);
    this.#head = new Uint8Array(source.byteLength);
    for (let row = 0; row < rowsInHead; row++) {
      const from = sourceRow(row, rowsInHead, 1) * bytes;
      this.#head.set(source.subarray(from, from + bytes), row * bytes);
    }
    this.#taken = 0;
    this.#next += 1;
  }
}
