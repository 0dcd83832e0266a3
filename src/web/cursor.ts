/** A place in a remote file from which bytes are read in sequence, with growing requests. */

import type { Piece } from "./piece.ts";
import type { RemoteFile } from "./remote-file.ts";

/** What is asked for at least; up to here a piece is held in memory, its connection free. */
export const SMALL_BYTES = 1 << 16;

/** Each request asks for so many times what the one before did, in the end for all that is left. */
const GROWTH = 8;

/** A gap of at most this is read over: a new request takes longer. */
const GAP_BYTES = 2 << 20;

interface Held {
  readonly start: number;
  readonly bytes: Uint8Array;
}

export class Cursor {
  readonly #file: RemoteFile;
  /** Where the next read begins when reads are in sequence. */
  #next: number;
  /** What the next request asks for. */
  #ahead = SMALL_BYTES;
  #held: Held | undefined;
  /** An answer that is being read. */
  #piece: Piece | undefined;

  constructor(file: RemoteFile, position: number) {
    this.#file = file;
    this.#next = position;
  }

  /** Reads from a piece that is there already. */
  static async of(file: RemoteFile, piece: Piece): Promise<Cursor> {
    const cursor = new Cursor(file, piece.position);
    cursor.#ahead *= GROWTH;
    await cursor.#take(piece);
    return cursor;
  }

  /** A read there continues what was read here, or repeats what is held. */
  reaches(position: number): boolean {
    if (this.#isHeld(position)) return true;
    const isNear = (place: number) => position >= place && position - place <= GAP_BYTES;
    return isNear(this.#next) || (this.#piece !== undefined && isNear(this.#piece.position));
  }

  /** At least one byte of the `wanted` ones. */
  async some(position: number, wanted: number): Promise<Uint8Array> {
    if (!this.#isHeld(position)) await this.#reach(position, wanted);
    const bytes = this.#isHeld(position)
      ? heldBytes(this.#held as Held, position, wanted)
      : await (this.#piece as Piece).take(wanted);
    this.#next = position + bytes.byteLength;
    return bytes;
  }

  /** After a failure: what is being read will not come. */
  drop(): void {
    this.#piece?.cancel();
    this.#piece = undefined;
  }

  /** Nobody reads on here. */
  release(): void {
    this.#piece?.discard();
    this.#piece = undefined;
    this.#held = undefined;
  }

  /** Comes to the position: by reading on, or by a new request. */
  async #reach(position: number, wanted: number): Promise<void> {
    const piece = this.#piece;
    const isBefore = piece !== undefined && piece.position <= position && position < piece.end;
    if (!isBefore) await this.#open(position, wanted);
    await this.#piece?.skipTo(position);
  }

  async #open(position: number, wanted: number): Promise<void> {
    this.#piece?.discard();
    this.#piece = undefined;
    const { size, hasRanges } = this.#file;
    if (!hasRanges) {
      if (position < this.#next && position > 0) throw this.#backwards(position);
      return this.#take(await this.#file.whole());
    }
    const length = Math.max(wanted, this.#ahead);
    this.#ahead = length * GROWTH;
    // A last short piece is not worth a request of its own.
    const end = position + length > size - SMALL_BYTES ? size : position + length;
    return this.#take(await this.#file.part(position, end));
  }

  async #take(piece: Piece): Promise<void> {
    if (piece.end - piece.position > SMALL_BYTES) {
      this.#piece = piece;
      return;
    }
    const start = piece.position;
    this.#held = { start, bytes: await piece.whole() };
  }

  #isHeld(position: number): boolean {
    if (this.#held === undefined) return false;
    const { start, bytes } = this.#held;
    return position >= start && position < start + bytes.byteLength;
  }

  #backwards(position: number): Error {
    return this.#file.cannot(
      "the server ignores ranges, so it can only be read from front to back, but byte " +
        `${position} is wanted after byte ${this.#next}. Download it first, or use a server that ` +
        "answers ranges",
    );
  }
}

function heldBytes({ start, bytes }: Held, position: number, wanted: number): Uint8Array {
  return bytes.subarray(position - start, position - start + wanted);
}
