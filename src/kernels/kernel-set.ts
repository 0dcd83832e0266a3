/**
 * The contract of every kernel implementation: pure functions over addresses of one memory.
 *
 * `reference` (scalar TypeScript, the oracle) and `wasm` (SIMD) implement it with equal bits, so
 * the layers above are written once and know nothing of either.
 */

import type { FloatDtype } from "../foundation/dtype.ts";
import type { Codebook, QuantMode } from "../schemes/codebook.ts";

/** What a caller may ask for; "auto" takes WASM where it runs. */
export type KernelChoice = "auto" | "wasm" | "reference";

/**
 * Kernels and the memory that they work in.
 *
 * Addresses are byte offsets into `buffer`, multiples of 16. `elementCount` counts weights.
 * A block is `blockSize` consecutive elements of the flat tensor; only a tensor's last block may be
 * shorter, so every call but the last of a tensor must pass a multiple of `blockSize` elements.
 * Outputs are written exactly: `ceil(elementCount / 2)` bytes of 4-bit codes, `elementCount` bytes
 * of 8-bit codes, `ceil(elementCount / blockSize)` f32 of absmax. Inputs are little-endian.
 */
export interface KernelSet {
  readonly name: "wasm" | "reference";
  /** The memory. `allocate` may replace it: read it again after every `allocate`. */
  readonly buffer: ArrayBuffer;

  /** Address of `byteCount` fresh bytes, 16-aligned; never freed (drop the whole set instead). */
  allocate(byteCount: number): number;

  /** absmax[b] = max |x| of block b, as f32; NaN when the block holds a NaN. */
  absmax(
    input: FloatDtype,
    valuesPtr: number,
    absmaxPtr: number,
    elementCount: number,
    blockSize: number,
  ): void;

  /**
   * Blockwise 4-bit codes, even element in the high nibble, and the blocks' absmax (f32).
   *
   * @returns index (within this call) of the first block that holds NaN or infinity, or −1
   */
  quantize4(
    codebook: Codebook,
    mode: QuantMode,
    input: FloatDtype,
    valuesPtr: number,
    codesPtr: number,
    absmaxPtr: number,
    elementCount: number,
    blockSize: number,
  ): number;

  /** values[i] = level[code[i]] · absmax[block], one rounding to f32, one more to `output`. */
  dequantize4(
    codebook: Codebook,
    output: FloatDtype,
    codesPtr: number,
    absmaxPtr: number,
    valuesPtr: number,
    elementCount: number,
    blockSize: number,
  ): void;

  /** Blockwise 8-bit codes of any 256-level ascending map; absmax and result as `quantize4`. */
  quantize8(
    codebook: Codebook,
    mode: QuantMode,
    input: FloatDtype,
    valuesPtr: number,
    codesPtr: number,
    absmaxPtr: number,
    elementCount: number,
    blockSize: number,
  ): number;

  dequantize8(
    codebook: Codebook,
    output: FloatDtype,
    codesPtr: number,
    absmaxPtr: number,
    valuesPtr: number,
    elementCount: number,
    blockSize: number,
  ): void;

  /**
   * LLM.int8: each row is rounded to float16, scb[row] = max |row| (f32), codes i8.
   *
   * @returns index of the first row that holds NaN or infinity *as float16* (a finite f32 or bf16
   * above 65504 counts), or −1
   */
  quantizeInt8Rows(
    input: FloatDtype,
    valuesPtr: number,
    codesPtr: number,
    scbPtr: number,
    rowCount: number,
    columnCount: number,
  ): number;

  /** values = fl(fl(code · scb[row]) · 0.007874015718698502f), then rounded to `output`. */
  dequantizeInt8Rows(
    output: FloatDtype,
    codesPtr: number,
    scbPtr: number,
    valuesPtr: number,
    rowCount: number,
    columnCount: number,
  ): void;

  /** Rounds (or widens) `elementCount` floats to another dtype, nearest-even. */
  convert(
    from: FloatDtype,
    to: FloatDtype,
    sourcePtr: number,
    targetPtr: number,
    elementCount: number,
  ): void;
}
