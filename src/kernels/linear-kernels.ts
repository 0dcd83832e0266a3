/**
 * The contract of the kernels behind `quantwise/linear`: products of activations and compressed
 * weights, over addresses of a memory of their own. `reference` and `wasm` give the same bits.
 *
 * Every product is four sums: that of column c goes to sum c mod 4, column after column, each
 * product and each sum rounded to f32; then (sum 0 + sum 2) + (sum 1 + sum 3). Rows do not depend
 * on each other, so a product is the same in a batch of any size.
 *
 * Weights are rows of `columnCount` codes in groups of `groupLength` columns, a multiple of 32 that
 * divides `columnCount`; a group has one scale and maybe one zero point.
 */

import type { FloatDtype } from "../foundation/dtype.ts";
import type { SimdBuild } from "./kernel-set.ts";

/** The levels of 4-bit codes. */
export interface LinearLevels {
  readonly levels: Float32Array;
  /** i8[16]: what stands for them beside int8 activations. */
  readonly integers: Int8Array;
}

/** Where the weights of some rows lie. Rows are contiguous. */
export interface WeightRows {
  /** 4 bits: two a byte, the even column in the high nibble. 8 bits: i8. */
  readonly codesPtr: number;
  /** f32, one a group. */
  readonly scalePtr: number;
  /** i16, one a group; 0: no code has one. */
  readonly zeroPointPtr: number;
  readonly rowCount: number;
  readonly columnCount: number;
  readonly groupLength: number;
}

/** How the codes of a weight are read. */
export type WeightCodes =
  | { readonly bits: 4; readonly levels: LinearLevels }
  /** w = fl(fl((code − zeroPoint) · scale) · factor) */
  | { readonly bits: 8; readonly factor: number };

export interface LinearKernels {
  readonly name: "wasm" | "reference";
  /** The build of the WASM kernels: both give the same bits. */
  readonly simd: SimdBuild | "none";
  /** The memory. `growTo` may replace it. */
  readonly buffer: ArrayBuffer;
  /** First address that callers may use. */
  readonly heapBase: number;

  /** Makes room up to address `end`. @throws UnsupportedError when there is none */
  growTo(end: number): void;

  /** y[r] = Σ x[c] · w[r][c]; `xPtr` f32[columnCount], `yPtr` f32[rowCount]. */
  dot(codes: WeightCodes, rows: WeightRows, xPtr: number, yPtr: number): void;

  /**
   * Expands `count` columns from `start` of all rows to f32, rows `valueStride` bytes apart. They
   * are whole groups, or lie in one; both are multiples of 32.
   */
  decode(
    codes: WeightCodes,
    rows: WeightRows,
    start: number,
    count: number,
    valuesPtr: number,
    valueStride: number,
  ): void;

  /**
   * sums[b][r][c mod 4] += x[b][c] · w[r][c] for rows of f32.
   *
   * @param sumsPtr f32[batchCount][rowCount][4]
   * @param columnCount a multiple of 4
   */
  addProducts(
    weightsPtr: number,
    weightStride: number,
    xPtr: number,
    xStride: number,
    sumsPtr: number,
    rowCount: number,
    batchCount: number,
    columnCount: number,
  ): void;

  /** y[b][r] = (sum 0 + sum 2) + (sum 1 + sum 3), batch rows `yStride` bytes apart. */
  finishSums(
    sumsPtr: number,
    yPtr: number,
    yStride: number,
    rowCount: number,
    batchCount: number,
  ): void;

  /** target[i] += addend[i] (address 0: nothing); every NaN becomes the canonical one. */
  addAndClean(targetPtr: number, addendPtr: number, count: number): void;

  /**
   * One row of activations as int8, for weights of `bits`.
   *
   *   code = clamp(round-half-even(fl(x · fl(127 / absmax))), −127, 127)
   *
   * All codes are 0 when 127 / absmax is not finite, or x is not.
   *
   * @param codesPtr i16[columnCount], in an order of the kernels' own
   * @param groupSumsPtr i32[groups][8], the kernels' own
   * @returns fl(absmax / 127); 0 when 127 / absmax is not finite, NaN when x is not
   */
  quantizeActivations(
    bits: 4 | 8,
    xPtr: number,
    codesPtr: number,
    groupSumsPtr: number,
    columnCount: number,
    groupLength: number,
  ): number;

  /**
   * y[r] = fl(T · factor) with activations that `quantizeActivations` coded.
   *
   * A group's integers n = Σ (code − zeroPoint) · x (4 bits: the integer level in place of the code)
   * are summed in four lanes: 4 bits: column c in lane ⌊(c mod 16) / 4⌋, 8 bits: ⌊(c mod 8) / 2⌋. A
   * lane adds fl(f32(n) · scale), group after group; T = (lane 0 + lane 2) + (lane 1 + lane 3).
   */
  dotInt8(
    codes: WeightCodes,
    rows: WeightRows,
    xCodesPtr: number,
    groupSumsPtr: number,
    factor: number,
    yPtr: number,
  ): void;

  /** f32 from or to a 16-bit dtype, rounded to nearest, ties to even. */
  widen(from: Exclude<FloatDtype, "float32">, sourcePtr: number, ptr: number, count: number): void;
  narrow(to: Exclude<FloatDtype, "float32">, sourcePtr: number, ptr: number, count: number): void;
}
