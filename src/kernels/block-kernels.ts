/**
 * The contract of the kernels for the block types of ggml, over addresses of a memory of their own.
 * `reference` and `wasm` give the same bytes: those of ggml's C with every operation rounded to f32
 * and nothing contracted, `docs/gguf.md`.
 */

import type { BlockType } from "../schemes/ggml/block-types.ts";
import type { SimdBuild } from "./kernel-set.ts";

export interface BlockKernels {
  readonly name: "wasm" | "reference";
  /** The build of the WASM kernels. */
  readonly simd: SimdBuild | "none";
  /** The memory. `growTo` may replace it. */
  readonly buffer: ArrayBuffer;
  /** First address that callers may use. */
  readonly heapBase: number;

  /** Makes room up to address `end`. @throws UnsupportedError when there is none */
  growTo(end: number): void;

  /**
   * Blocks from f32. No block depends on another.
   *
   * @param valuesPtr f32[blockCount · blockValues], a multiple of 4
   * @param blocksPtr u8[blockCount · blockBytes]; any address
   * @returns the first block that is no good, or −1. With NaN or infinity among its values nothing
   *   is written from there on; if its scale is not finite as stored, all blocks are written
   */
  quantize(type: BlockType, valuesPtr: number, blocksPtr: number, blockCount: number): number;

  /** f32 from blocks; any bytes are blocks. Places as for `quantize`. */
  dequantize(type: BlockType, blocksPtr: number, valuesPtr: number, blockCount: number): void;
}
