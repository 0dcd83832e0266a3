/** The records that `quantize` returns: plain data that survives `structuredClone`. */

import type { FloatDtype } from "../foundation/dtype.ts";
import type { KernelReport } from "../kernels/select.ts";
import type { QuantMode } from "../schemes/codebook.ts";

/** bitsandbytes 4-bit types. */
export type QuantType4 = "nf4" | "fp4";

export type QuantType = QuantType4 | "dynamic8" | "llm-int8";

/** dtype that the packed 4-bit bytes are declared as in a file; the bytes are the same. */
export type QuantStorage = "uint8" | FloatDtype;

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

/** NF4 or FP4. `n` is the number of elements, blocks = ceil(n / blockSize) over the flat tensor. */
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
  /** With a `threshold`: columns that hold an outlier, ascending. */
  readonly outlierColumns?: Int32Array;
}

export type QuantizedTensor = Quantized4Bit | QuantizedDynamic8 | QuantizedInt8;
