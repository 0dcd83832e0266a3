/** How a run of blocks is cut so that each piece fits a tile. */

import { TILE_VALUES } from "./arena.ts";

export interface Piece {
  /** First element, and how many. */
  readonly at: number;
  readonly count: number;
  /** First block, and the block size to tell a kernel: `count` where the piece is part of a block. */
  readonly block: number;
  readonly blockSize: number;
}

/** Several blocks a piece, or several pieces a block; only the last block may be short. */
export function* pieces(elementCount: number, blockSize: number): Generator<Piece> {
  if (blockSize <= TILE_VALUES) {
    const step = TILE_VALUES - (TILE_VALUES % blockSize);
    for (let at = 0; at < elementCount; at += step) {
      const count = Math.min(step, elementCount - at);
      yield { at, count, block: at / blockSize, blockSize };
    }
    return;
  }
  for (let block = 0; block * blockSize < elementCount; block++) {
    const start = block * blockSize;
    const end = Math.min(start + blockSize, elementCount);
    for (let at = start; at < end; at += TILE_VALUES) {
      const count = Math.min(TILE_VALUES, end - at);
      yield { at, count, block, blockSize: count };
    }
  }
}
