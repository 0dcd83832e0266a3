/** One call of block kernels with arrays of the test. */

import type { BlockKernels } from "../../src/kernels/block-kernels.ts";
import { BLOCK_LAYOUTS, type BlockType } from "../../src/schemes/ggml/block-types.ts";

/** Bytes behind what a kernel may write, which must stay as they are. */
const GUARD = 64;
const GUARD_BYTE = 0xa5;

/** @param shift bytes that the blocks lie off a multiple of 16 */
export function quantizeWith(
  kernels: BlockKernels,
  type: BlockType,
  values: Float32Array,
  shift = 0,
): { blocks: Uint8Array; bad: number } {
  const { blockValues, blockBytes } = BLOCK_LAYOUTS[type];
  const blockCount = values.length / blockValues;
  const { valuesPtr, blocksPtr } = places(kernels, values.byteLength, blockCount * blockBytes);
  new Float32Array(kernels.buffer, valuesPtr, values.length).set(values);
  const all = new Uint8Array(kernels.buffer, blocksPtr, blockCount * blockBytes + GUARD + shift);
  all.fill(GUARD_BYTE);
  const bad = kernels.quantize(type, valuesPtr, blocksPtr + shift, blockCount);
  const result = all.slice();
  checkGuard(result.subarray(0, shift), result.subarray(shift + blockCount * blockBytes));
  return { blocks: result.slice(shift, shift + blockCount * blockBytes), bad };
}

export function dequantizeWith(
  kernels: BlockKernels,
  type: BlockType,
  blocks: Uint8Array,
  shift = 0,
): Float32Array {
  const { blockValues, blockBytes } = BLOCK_LAYOUTS[type];
  const blockCount = blocks.length / blockBytes;
  const valueBytes = 4 * blockCount * blockValues;
  const { valuesPtr, blocksPtr } = places(kernels, valueBytes, blocks.length);
  new Uint8Array(kernels.buffer, blocksPtr + shift, blocks.length).set(blocks);
  const all = new Uint8Array(kernels.buffer, valuesPtr, valueBytes + GUARD).fill(GUARD_BYTE);
  kernels.dequantize(type, blocksPtr + shift, valuesPtr, blockCount);
  const result = all.slice();
  checkGuard(result.subarray(valueBytes));
  return new Float32Array(result.slice(0, valueBytes).buffer);
}

function places(kernels: BlockKernels, valueBytes: number, blocksBytes: number) {
  const valuesPtr = Math.ceil(kernels.heapBase / 16) * 16;
  const blocksPtr = valuesPtr + Math.ceil(valueBytes / 16) * 16 + GUARD;
  kernels.growTo(blocksPtr + blocksBytes + 2 * GUARD);
  return { valuesPtr, blocksPtr };
}

function checkGuard(...parts: Uint8Array[]): void {
  if (parts.every((part) => part.every((byte) => byte === GUARD_BYTE))) return;
  throw new Error("a kernel wrote beside its output");
}
