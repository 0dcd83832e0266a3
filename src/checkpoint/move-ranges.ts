/** Moves pieces of a file to other places of the same file, keeping their order. */

import type { ByteSink } from "../foundation/byte-source.ts";
import { UnsupportedError } from "../foundation/errors.ts";

export interface Move {
  readonly from: number;
  readonly to: number;
  readonly byteLength: number;
}

const CHUNK_BYTES = 1 << 20;

/**
 * @param moves in file order, by `from` and by `to` alike, without overlaps in either. Pieces that
 * go down are moved from the first on, pieces that go up from the last on: then no piece is
 * written over before it was read.
 */
export async function moveRanges(sink: ByteSink, moves: Iterable<Move>): Promise<void> {
  const joined = join(moves);
  for (const move of joined) {
    if (move.to < move.from) await moveDown(sink, move);
  }
  for (const move of joined.reverse()) {
    if (move.to > move.from) await moveUp(sink, move);
  }
}

/** Neighbours that go the same way become one move; what stays is left out. */
function join(moves: Iterable<Move>): Move[] {
  const joined: Move[] = [];
  for (const move of moves) {
    if (move.from === move.to) continue;
    const last = joined.at(-1);
    const continues =
      last !== undefined &&
      last.from + last.byteLength === move.from &&
      last.to + last.byteLength === move.to;
    if (continues) {
      joined[joined.length - 1] = { ...last, byteLength: last.byteLength + move.byteLength };
    } else joined.push(move);
  }
  return joined;
}

async function moveDown(sink: ByteSink, { from, to, byteLength }: Move): Promise<void> {
  const chunk = new Uint8Array(Math.min(CHUNK_BYTES, byteLength));
  for (let at = 0; at < byteLength; at += chunk.byteLength) {
    await copy(sink, chunk.subarray(0, byteLength - at), from + at, to + at);
  }
}

async function moveUp(sink: ByteSink, { from, to, byteLength }: Move): Promise<void> {
  const chunk = new Uint8Array(Math.min(CHUNK_BYTES, byteLength));
  for (let end = byteLength; end > 0; end -= chunk.byteLength) {
    const at = Math.max(0, end - chunk.byteLength);
    await copy(sink, chunk.subarray(0, end - at), from + at, to + at);
  }
}

async function copy(sink: ByteSink, chunk: Uint8Array, from: number, to: number): Promise<void> {
  if (sink.read === undefined) throw new UnsupportedError(`${sink.name} cannot be read back`);
  await sink.read(chunk, from);
  await sink.write(chunk, to);
}
