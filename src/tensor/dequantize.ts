/** `dequantize`: a `QuantizedTensor` → weights, synchronously. */

import { FLOAT_DTYPES, type FloatDtype, floatBytes } from "../foundation/dtype.ts";
import { ArgumentError } from "../foundation/errors.ts";
import type { KernelChoice } from "../kernels/kernel-set.ts";
import { checkRecord } from "./check-record.ts";
import { sharedWorkspace } from "./default-workspace.ts";
import { type FloatArray, floatBytesOf, newFloatArray } from "./float-array.ts";
import { newDecoder } from "./new-decoder.ts";
import { oneOf } from "./options.ts";
import { restoreColumns } from "./outliers.ts";
import type { QuantizedTensor } from "./quantized-tensor.ts";

export interface DequantizeOptions<Out extends FloatArray = FloatArray> {
  /** dtype of the result. @defaultValue that of `out`, or "float32" */
  readonly dtype?: FloatDtype;
  /** Where the weights go; its length is the number of elements. It is also what is returned. */
  readonly out?: Out;
  /** @defaultValue "auto" */
  readonly kernels?: KernelChoice;
}

/**
 * Expands a quantized tensor.
 *
 *   codebooks:  fl(level[code] · absmax[block]), then rounded to `dtype`
 *   llm-int8:   fl(fl(code · scb[row]) · fl(1 / 127)), then rounded to `dtype`
 *   affine:     fl((code − zeroPoint) · scale), then rounded to `dtype`
 *   floats:     fl(level(code) · scale), then rounded to `dtype`
 *
 * @returns `out`, or a new Float32Array (float32), or a Uint16Array of the floats' bits
 * @throws ArgumentError for a record whose parts do not fit together, or a wrong `out`
 */
export function dequantize(
  quantized: QuantizedTensor,
  options?: DequantizeOptions & { readonly dtype?: "float32"; readonly out?: never },
): Float32Array<ArrayBuffer>;
export function dequantize<Out extends FloatArray>(
  quantized: QuantizedTensor,
  options: DequantizeOptions<Out> & { readonly out: Out },
): Out;
export function dequantize(
  quantized: QuantizedTensor,
  options: DequantizeOptions & { readonly dtype: "float16" | "bfloat16"; readonly out?: never },
): Uint16Array<ArrayBuffer>;
export function dequantize(quantized: QuantizedTensor, options?: DequantizeOptions): FloatArray;
export function dequantize(
  quantized: QuantizedTensor,
  options: DequantizeOptions = {},
): FloatArray {
  const elementCount = checkRecord(quantized);
  if (options.dtype !== undefined) oneOf("dtype", FLOAT_DTYPES, options.dtype);
  const out = options.out ?? newFloatArray(options.dtype ?? "float32", elementCount);
  const target = floatBytesOf(out, options.dtype, "out");
  if (target.elementCount !== elementCount) {
    throw new ArgumentError("out", `${elementCount} elements`, target.elementCount);
  }
  const decoder = newDecoder(sharedWorkspace(options.kernels), quantized, target.dtype);
  const codes = bytesOf(quantized.codes);
  const itemBytes = floatBytes(target.dtype);
  for (let start = 0; start < elementCount; start += decoder.tileElements) {
    const count = Math.min(decoder.tileElements, elementCount - start);
    const { begin, end } = decoder.codeRange(start, count);
    target.bytes.set(decoder.decode(codes.subarray(begin, end), start, count), start * itemBytes);
  }
  if (quantized.quantType === "llm-int8" && quantized.outlierWeights !== undefined) {
    const { shape, outlierColumns, outlierWeights } = quantized;
    restoreColumns(target, shape[1] as number, outlierColumns as Int32Array, outlierWeights);
  }
  return out;
}

function bytesOf(codes: Uint8Array | Int8Array): Uint8Array {
  if (codes instanceof Uint8Array) return codes;
  return new Uint8Array(codes.buffer, codes.byteOffset, codes.byteLength);
}
