import { describe, expect, it } from "vitest";
import { type Move, moveRanges } from "../../src/checkpoint/move-ranges.ts";
import { sameBytes } from "../kernels/calls.ts";
import { randomFrom } from "./safetensors-files.ts";

/** A sink of fixed size in memory. */
function memory(bytes: Uint8Array) {
  return {
    name: "memory",
    read: async (target: Uint8Array, position: number) =>
      target.set(bytes.subarray(position, position + target.byteLength)),
    write: async (source: Uint8Array, position: number) => bytes.set(source, position),
    truncate: async () => expect.fail("a move keeps the size"),
  };
}

async function expectMoved(size: number, moves: readonly Move[]): Promise<void> {
  const before = Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) & 255);
  const bytes = before.slice();
  await moveRanges(memory(bytes), moves);
  for (const { from, to, byteLength } of moves) {
    const piece = before.subarray(from, from + byteLength);
    sameBytes(bytes.slice(to, to + byteLength), piece, `${from} -> ${to}`);
  }
}

describe("moveRanges", () => {
  const overChunk = (1 << 20) + 12_345;

  it.each([
    ["down by a few bytes, more than a chunk", 100, 93],
    ["up by a few bytes, more than a chunk", 100, 107],
    ["down by more than a chunk", overChunk, 5],
    ["up by more than a chunk", 5, overChunk],
    ["nowhere", 100, 100],
  ])("moves %s", async (_, from, to) => {
    const byteLength = 2 * overChunk;
    await expectMoved(4 * overChunk, [{ from, to, byteLength }]);
  });

  it("moves pieces in both directions without losing one", async () => {
    const random = randomFrom(8);
    for (let round = 0; round < 300; round++) {
      const moves: Move[] = [];
      let from = 0;
      let to = Math.floor(random() * 20);
      for (let i = 0; i < 12; i++) {
        const byteLength = Math.floor(random() * 15);
        from += Math.floor(random() * 6);
        to += Math.floor(random() * 6);
        moves.push({ from, to, byteLength });
        from += byteLength;
        to += byteLength;
      }
      await expectMoved(400, moves);
    }
  });
});
