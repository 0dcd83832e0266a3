/** Reads one tensor's bytes front to back, from a source that can seek or from a stream. */

import type { ByteSource, FilePlace } from "../foundation/byte-source.ts";

export interface TensorReader {
  /** Fills `target` with the tensor's next bytes. */
  fill(target: Uint8Array): Promise<void>;
  /** Instead of `fill`, if others can read the bytes themselves: where the next ones are. */
  skip?(byteCount: number): FilePlace;
}

/** Reads from `position` on. */
export function sourceReader(source: ByteSource, position: number): TensorReader {
  let at = position;
  const advance = (byteCount: number) => {
    const from = at;
    at += byteCount;
    return from;
  };
  const { place } = source;
  return {
    fill: (target) => source.read(target, advance(target.byteLength)),
    ...(place === undefined ? {} : { skip: (byteCount) => place(advance(byteCount)) }),
  };
}

/** Bytes of the transposed matrix that are gathered per pass over the source. */
const STRIP_BYTES = 16 << 20;

/** Bytes of the source that are read at once. */
const BAND_BYTES = 1 << 20;

/**
 * Reads a row-major [rows, columns] matrix as its transpose, in bounded memory: each pass over the
 * source gathers as many of its columns as fit a strip.
 */
export class TransposingReader implements TensorReader {
  readonly #source: ByteSource;
  readonly #position: number;
  readonly #rows: number;
  readonly #columns: number;
  readonly #itemBytes: 2 | 4;
  #nextColumn = 0;
  #strip = new Uint8Array(0);
  #taken = 0;

  constructor(
    source: ByteSource,
    position: number,
    [rows, columns]: readonly [number, number],
    itemBytes: 2 | 4,
  ) {
    this.#source = source;
    this.#position = position;
    this.#rows = rows;
    this.#columns = columns;
    this.#itemBytes = itemBytes;
  }

  async fill(target: Uint8Array): Promise<void> {
    for (let filled = 0; filled < target.byteLength; ) {
      if (this.#taken === this.#strip.byteLength) await this.#gather();
      const piece = this.#strip.subarray(this.#taken, this.#taken + target.byteLength - filled);
      target.set(piece, filled);
      filled += piece.byteLength;
      this.#taken += piece.byteLength;
    }
  }

  async #gather(): Promise<void> {
    const columnBytes = this.#rows * this.#itemBytes;
    const wanted = Math.max(1, Math.floor(STRIP_BYTES / columnBytes));
    const columns = Math.min(wanted, this.#columns - this.#nextColumn);
    const strip = this.#array(columns * this.#rows);
    const rowBytes = this.#columns * this.#itemBytes;
    const bandRows = Math.max(1, Math.floor(BAND_BYTES / rowBytes));
    for (let row = 0; row < this.#rows; row += bandRows) {
      const count = Math.min(bandRows, this.#rows - row);
      const band = this.#array(count * this.#columns);
      await this.#source.read(bytesOf(band), this.#position + row * rowBytes);
      for (let r = 0; r < count; r++) {
        const from = r * this.#columns + this.#nextColumn;
        for (let c = 0; c < columns; c++) {
          strip[c * this.#rows + row + r] = band[from + c] as number;
        }
      }
    }
    this.#nextColumn += columns;
    this.#strip = bytesOf(strip);
    this.#taken = 0;
  }

  /** Integers carry any float's bits unchanged. */
  #array(elementCount: number): Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer> {
    return this.#itemBytes === 2 ? new Uint16Array(elementCount) : new Uint32Array(elementCount);
  }
}

function bytesOf(array: Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>) {
  return new Uint8Array(array.buffer);
}
