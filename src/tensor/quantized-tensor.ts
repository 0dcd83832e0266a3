/** The records that `quantize` returns: plain data that survives `structuredClone`. */

import type { FloatDtype } from "../foundation/dtype.ts";
import type { KernelReport } from "../kernels/select.ts";
import type { QuantMode } from "../schemes/codebook.ts";
import type { QuantType4, QuantTypeAffine, QuantTypeFloat } from "../schemes/registry.ts";

/** dtype that the packed 4-bit bytes are declared as in a file; the bytes are the same. */
export type QuantStorage = "uint8" | FloatDtype;

/**
 * What shares a scale: the whole tensor, a channel (index of one axis), or a block of consecutive
 * elements of a row (the last axis); the last block of a row may be shorter.
 */
export type Granularity = "tensor" | "channel" | "block";

interface QuantizedBase {
  /** Row-major shape of the weights. */
  readonly shape: readonly number[];
  /** dtype of the weights before quantization, and the default one after `dequantize`. */
  readonly dtype: FloatDtype;
  /** Which kernels ran, and why. */
  readonly kernels: KernelReport;
}

/** The first-level absmax as 8-bit codes (bitsandbytes `compress_statistics`). */
export interface NestedAbsmax {
  /** absmax[j] = fl(fl(levels[codes[j]] · this.absmax[⌊j / blockSize⌋]) + offset) */
  readonly blockSize: number;
  /** f32[ceil(blocks / blockSize)], of the second level. */
  readonly absmax: Float32Array;
  /** The mean of the first-level absmax, an f32. */
  readonly offset: number;
  /** The 256 levels of the second level (bitsandbytes `nested_quant_map`). */
  readonly levels: Float32Array;
}

/** NF4, FP4 or AF4. `n` is the number of elements, blocks = ceil(n / blockSize) over the flat tensor. */
export interface Quantized4Bit extends QuantizedBase {
  readonly quantType: QuantType4;
  readonly mode: QuantMode;
  readonly blockSize: number;
  readonly quantStorage: QuantStorage;
  /** ceil(n / 2) bytes; the even element is the high nibble. */
  readonly codes: Uint8Array;
  /** f32[blocks], or the 8-bit codes of a double quantized absmax. */
  readonly absmax: Float32Array | Uint8Array;
  /** Present exactly when double quantized. */
  readonly nested?: NestedAbsmax;
}

/** bitsandbytes' blockwise 8-bit coding with a map of 256 levels. */
export interface QuantizedDynamic8 extends QuantizedBase {
  readonly quantType: "dynamic8";
  readonly mode: QuantMode;
  readonly blockSize: number;
  /** One byte an element. */
  readonly codes: Uint8Array;
  readonly absmax: Float32Array;
  /** The 256 ascending levels that the codes index. */
  readonly code: Float32Array;
}

/** LLM.int8: rows of int8 with one absmax each. */
export interface QuantizedInt8 extends QuantizedBase {
  readonly quantType: "llm-int8";
  /** Row-major, as the weights. */
  readonly codes: Int8Array;
  /** f32[rows]: max |row| after rounding to float16 (not divided by 127). */
  readonly scb: Float32Array;
  /** Columns that were left out of the rows' absmax, ascending; their codes are 0. */
  readonly outlierColumns?: Int32Array;
  /** float16 bits [rows, outlierColumns.length]: what the weights of these columns are instead. */
  readonly outlierWeights?: Uint16Array;
}

/**
 * Which scale belongs to which element. Blocks are counted row by row, ceil(columns / blockSize)
 * in each.
 */
interface Grained {
  readonly granularity: Granularity;
  /** The axis whose indices are channels; absent for other granularities. */
  readonly axis?: number;
  /** Elements of a block; absent for other granularities. */
  readonly blockSize?: number;
}

/** Scales as 8-bit codes, 256 to a group. */
export interface NestedScale {
  /** Scales of a group: 256. */
  readonly blockSize: number;
  /**
   * f32[2 · groups]: (base, step) of each group. Code 0 is the scale 1 of a block of zeros.
   * step ≥ 0: scale = fl(base + fl((code − 1) · step)).
   * step < 0: scale = fl(levels[code] · base), levels = bitsandbytes' unsigned dynamic map.
   */
  readonly ranges: Float32Array;
}

/** Affine: w' = fl((q − zeroPoint) · scale). */
export interface QuantizedAffine extends QuantizedBase, Grained {
  readonly quantType: QuantTypeAffine;
  readonly symmetric: boolean;
  /**
   * 8 bits: one byte an element (Int8Array for int8, Uint8Array for uint8). 4 bits: ceil(n / 2)
   * bytes of a Uint8Array, the even element in the low nibble, int4 in two's complement (ONNX).
   */
  readonly codes: Int8Array | Uint8Array;
  /** f32[scales], or the 8-bit codes of double quantized ones. */
  readonly scale: Float32Array | Uint8Array;
  /**
   * Whole numbers in the range of the codes, one a scale: f32, or with double quantization Int8Array
   * (int8, int4) or Uint8Array (uint8, uint4). Absent when symmetric.
   */
  readonly zeroPoint?: Float32Array | Int8Array | Uint8Array;
  /** Present exactly when double quantized. */
  readonly nested?: NestedScale;
}

/** Block floats: w' = fl(level(code) · scale). */
export interface QuantizedFloat extends QuantizedBase, Grained {
  readonly quantType: QuantTypeFloat;
  /** 8 bits: one byte an element. 4 bits: ceil(n / 2), the even element in the low nibble. */
  readonly codes: Uint8Array;
  /**
   * MX: E8M0 bytes, scale = 2^(byte − 127). NVFP4: E4M3 bytes, scale = fl(value · tensorScale).
   * FP8: f32.
   */
  readonly scale: Uint8Array | Float32Array;
  /** NVFP4 only: f32. */
  readonly tensorScale?: number;
}

export type QuantizedTensor =
  | Quantized4Bit
  | QuantizedDynamic8
  | QuantizedInt8
  | QuantizedAffine
  | QuantizedFloat;

/** What decoding needs of a record beside its codes. */
export type ScalesOf<Record_ extends QuantizedTensor> = Record_ extends QuantizedTensor
  ? Omit<Record_, "codes" | "dtype" | "kernels">
  : never;
