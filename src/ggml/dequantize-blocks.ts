/** `dequantizeBlocks`: the blocks of ggml to floats. */

import { ArgumentError } from "../foundation/errors.ts";
import type { BlockType } from "../schemes/ggml/block-types.ts";
import { layoutOf } from "./options.ts";
import { type BlockKernelOptions, blocksAtOnce, windowOf } from "./window.ts";

export interface DequantizeBlocksOptions extends BlockKernelOptions {
  readonly type: BlockType;
  /** Where the values go: f32[blocks · block values]. It is what is returned. */
  readonly out?: Float32Array;
}

/**
 * The floats that ggml's `to_float` functions give for these blocks.
 *
 * @param blocks whole blocks; any bytes are some
 * @throws ArgumentError
 * @example
 * const weights = dequantizeBlocks(blocks, { type: "Q4_K" });
 */
export function dequantizeBlocks(
  blocks: Uint8Array,
  options: DequantizeBlocksOptions,
): Float32Array {
  const { type, kernels: choice = "auto", module } = options;
  const { blockValues, blockBytes } = layoutOf(type);
  const blockCount = blocks.length / blockBytes;
  if (!Number.isSafeInteger(blockCount)) {
    const expected = `a multiple of ${blockBytes} bytes, the block of ${type}`;
    throw new ArgumentError("blocks", expected, `${blocks.length} bytes`);
  }
  const out = options.out ?? new Float32Array(blockCount * blockValues);
  if (out.length !== blockCount * blockValues) {
    const expected = `${blockCount * blockValues} elements`;
    throw new ArgumentError("out", expected, `${out.length} elements`);
  }
  const { kernels, valuesPtr, blocksPtr } = windowOf(choice, module);
  const step = blocksAtOnce(type);
  for (let at = 0; at < blockCount; at += step) {
    const count = Math.min(step, blockCount - at);
    const piece = blocks.subarray(at * blockBytes, (at + count) * blockBytes);
    new Uint8Array(kernels.buffer).set(piece, blocksPtr);
    kernels.dequantize(type, blocksPtr, valuesPtr, count);
    const values = new Float32Array(kernels.buffer, valuesPtr, count * blockValues);
    out.set(values, at * blockValues);
  }
  return out;
}
