/**
 * The contract of every kernel implementation: pure functions over addresses of one memory.
 *
 * `reference` (scalar TypeScript, the oracle) and `wasm` (SIMD) implement it with equal bits, so
 * the layers above are written once and know nothing of either.
 */

import type { FloatDtype } from "../foundation/dtype.ts";
import { ArgumentError } from "../foundation/errors.ts";
import type { AffineFormat } from "../schemes/affine.ts";
import type { Codebook, QuantMode } from "../schemes/codebook.ts";
import type { FloatFormat } from "../schemes/float-format.ts";
import type { EmbeddingKernels } from "./embedding-kernels.ts";

/** Which SIMD a build of the kernels uses: any engine's, or relaxed where that gives the same bits. */
export type SimdBuild = "baseline" | "relaxed";

/** What a caller may ask for; "auto" takes WASM where it runs. */
export type KernelChoice = "auto" | "wasm" | "reference";

/** @throws ArgumentError */
export function checkKernelChoice(choice: KernelChoice): void {
  if (["auto", "wasm", "reference"].includes(choice)) return;
  throw new ArgumentError("kernels", '"auto" or "wasm" or "reference"', choice);
}

/**
 * How scales lie over the elements of a call.
 *
 * Elements form rows of `rowLength`; a row is cut into runs of `runLength`, the last of them maybe
 * shorter. The call's first element is at `startColumn` of its row (anywhere in a run, too). Run r
 * of the call, counted from the one that holds its first element, has the scale
 * (firstScale + r) mod scaleCount.
 *
 *   per tensor             rowLength = runLength = n                     scaleCount 1
 *   per channel, axis a    rowLength = runLength = Π shape[a + 1 …]      scaleCount shape[a]
 *   per block              rowLength = shape.at(-1), runLength = block   one scale a run
 */
export interface ScaleRuns {
  readonly rowLength: number;
  readonly runLength: number;
  readonly startColumn: number;
  readonly firstScale: number;
  readonly scaleCount: number;
}

/**
 * Kernels and the memory that they work in.
 *
 * Addresses are byte offsets into `buffer`, multiples of 16. `elementCount` counts weights.
 * A block is `blockSize` consecutive elements of the flat tensor; only a tensor's last block may be
 * shorter, so every call but the last of a tensor must pass a multiple of `blockSize` elements.
 * Outputs are written exactly: `ceil(elementCount / 2)` bytes of 4-bit codes, `elementCount` bytes
 * of 8-bit codes, `ceil(elementCount / blockSize)` f32 of absmax. Inputs are little-endian.
 */
export interface KernelSet extends EmbeddingKernels {
  readonly name: "wasm" | "reference";
  readonly simd: SimdBuild | "none";
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

  /**
   * The f64 sum start + values[0] + values[1] + …, rounded after each addition, in order.
   *
   * @param valuesPtr f32[elementCount], not negative
   */
  sum(valuesPtr: number, elementCount: number, start: number): number;

  /** values[i] = fl(values[i] − offset), f32, in place. `offset` is an f32. */
  subtract(valuesPtr: number, elementCount: number, offset: number): void;

  /**
   * Lowers min[s] and raises max[s] to the finite values of every run of scale s. Callers start
   * both at 0: the range of affine quantization always holds 0.
   *
   * @param valuesPtr f32[elementCount]
   * @returns whether every value is finite; NaN and infinity leave the range alone
   */
  range(
    valuesPtr: number,
    minPtr: number,
    maxPtr: number,
    elementCount: number,
    runs: ScaleRuns,
  ): boolean;

  /**
   * scale = fl(fl(max − min) / (highest − lowest)); fl(max / q) − fl(min / q) where max − min
   * overflows; the smallest normal f32 where it is smaller than that; 1 where min = max = 0.
   * zeroPoint = clamp(round-half-even(fl(lowest − fl(min / scale))), lowest, highest).
   * Symmetric: scale = fl(max(−min, max) / highest), zeroPoint is not written.
   *
   * @param zeroPointPtr f32[scaleCount], whole numbers; ignored when symmetric
   */
  affineParameters(
    format: AffineFormat,
    symmetric: boolean,
    minPtr: number,
    maxPtr: number,
    scalePtr: number,
    zeroPointPtr: number,
    scaleCount: number,
  ): void;

  /**
   * codes[i] = clamp(round-half-even(fl(x / scale)) + zeroPoint, lowest, highest), one byte each;
   * NaN becomes 0. ONNX QuantizeLinear.
   *
   * @param valuesPtr f32[elementCount]
   * @param zeroPointPtr f32 whole numbers, one a scale; address 0: every zero point is 0
   * @param codesPtr any address, aligned or not
   */
  quantizeAffine(
    format: AffineFormat,
    valuesPtr: number,
    scalePtr: number,
    zeroPointPtr: number,
    codesPtr: number,
    elementCount: number,
    runs: ScaleRuns,
  ): void;

  /** values[i] = fl((code − zeroPoint) · scale), f32. ONNX DequantizeLinear. */
  dequantizeAffine(
    format: AffineFormat,
    codesPtr: number,
    scalePtr: number,
    zeroPointPtr: number,
    valuesPtr: number,
    elementCount: number,
    runs: ScaleRuns,
  ): void;

  /**
   * codes[i] = the format's code nearest to fl(x / scale), ties to the even code, saturating; one
   * byte each. −0 and what rounds to it keep their sign; NaN becomes `nanCode`, without a sign.
   */
  quantizeFloat(
    format: FloatFormat,
    valuesPtr: number,
    scalePtr: number,
    codesPtr: number,
    elementCount: number,
    runs: ScaleRuns,
  ): void;

  /** values[i] = fl(level[code] · scale), f32; every NaN is the canonical one. */
  dequantizeFloat(
    format: FloatFormat,
    codesPtr: number,
    scalePtr: number,
    valuesPtr: number,
    elementCount: number,
    runs: ScaleRuns,
  ): void;

  /**
   * Two 4-bit codes to a byte, the even element in the low nibble (ONNX, Microscaling; bitsandbytes
   * has it the other way round). An odd count leaves the last high nibble 0.
   */
  packNibbles(codesPtr: number, packedPtr: number, elementCount: number): void;

  /** The reverse: one code a byte, with its sign where `signed`. `codesPtr` may be any address. */
  unpackNibbles(packedPtr: number, codesPtr: number, elementCount: number, signed: boolean): void;
}
