/** The kernels of ggml's block types in scalar TypeScript: the oracle, and the fallback without SIMD. */

import { BLOCK_LAYOUTS, type BlockType, infinityOf } from "../../../schemes/ggml/block-types.ts";
import type { BlockKernels } from "../../block-kernels.ts";
import { CODECS } from "./codecs.ts";

/** New ones with an empty memory of their own. */
export function createReferenceBlockKernels(): BlockKernels {
  let buffer = new ArrayBuffer(1 << 16);
  return {
    name: "reference",
    simd: "none",
    heapBase: 16,
    get buffer() {
      return buffer;
    },
    growTo(end) {
      if (end <= buffer.byteLength) return;
      const larger = new ArrayBuffer(Math.max(end, Math.min(2 * buffer.byteLength, end + 2 ** 26)));
      new Uint8Array(larger).set(new Uint8Array(buffer));
      buffer = larger;
    },
    quantize: (...call) => quantizeBlocks(buffer, ...call),
    dequantize: (...call) => dequantizeBlocks(buffer, ...call),
  };
}

/** `BlockKernels.quantize` in any memory. */
export function quantizeBlocks(
  buffer: ArrayBuffer,
  type: BlockType,
  valuesPtr: number,
  blocksPtr: number,
  blockCount: number,
): number {
  const { blockValues, blockBytes } = BLOCK_LAYOUTS[type];
  const values = new Float32Array(buffer, valuesPtr, blockCount * blockValues);
  const blocks = new Uint8Array(buffer, blocksPtr, blockCount * blockBytes);
  const bad = values.findIndex((value) => !Number.isFinite(value));
  const count = bad < 0 ? blockCount : Math.floor(bad / blockValues);
  for (let i = 0; i < count; i++) {
    CODECS[type].quantize(
      values.subarray(i * blockValues, (i + 1) * blockValues),
      blocks.subarray(i * blockBytes, (i + 1) * blockBytes),
    );
  }
  const overflow = firstOverflow(type, blocks.subarray(0, count * blockBytes));
  return overflow < 0 && bad >= 0 ? count : overflow;
}

/** `BlockKernels.dequantize` in any memory. */
export function dequantizeBlocks(
  buffer: ArrayBuffer,
  type: BlockType,
  blocksPtr: number,
  valuesPtr: number,
  blockCount: number,
): void {
  const { blockValues, blockBytes } = BLOCK_LAYOUTS[type];
  const values = new Float32Array(buffer, valuesPtr, blockCount * blockValues);
  const blocks = new Uint8Array(buffer, blocksPtr, blockCount * blockBytes);
  for (let i = 0; i < blockCount; i++) {
    CODECS[type].dequantize(
      blocks.subarray(i * blockBytes, (i + 1) * blockBytes),
      values.subarray(i * blockValues, (i + 1) * blockValues),
    );
  }
}

/** The first block whose scale, or minimum, is infinite; −1 if there is none. */
function firstOverflow(type: BlockType, blocks: Uint8Array): number {
  const { halves, blockBytes } = BLOCK_LAYOUTS[type];
  const infinity = infinityOf(type);
  for (let at = 0; at < blocks.length; at += blockBytes) {
    for (const half of halves) {
      const bits = (blocks[at + half] as number) | ((blocks[at + half + 1] as number) << 8);
      if ((bits & infinity) === infinity) return at / blockBytes;
    }
  }
  return -1;
}
