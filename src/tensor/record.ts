/** From a coding and what an encoder found to the record that callers get. */

import type { EncodedScales } from "./encoder.ts";
import type { CodebookCoding, Coding } from "./options.ts";
import type { QuantizedTensor } from "./quantized-tensor.ts";

type Base = Pick<QuantizedTensor, "shape" | "dtype" | "kernels">;

/** @param code the 256 levels of dynamic8 */
export function recordOf(
  base: Base,
  coding: Coding,
  codes: Uint8Array | Int8Array,
  scales: EncodedScales,
  code?: Float32Array,
): QuantizedTensor {
  const own = { codes: typed(coding, codes) };
  // Several spreads in one literal take V8 two microseconds.
  const record = Object.assign({}, base, describe(coding), own, beside(scales));
  if (base.shape.length === 2 && scales.family === "rows" && scales.scb.length === 0) {
    // Rows without elements have no tile; their absmax is 0.
    return { ...record, scb: new Float32Array(base.shape[0] as number) } as QuantizedTensor;
  }
  return (code === undefined ? record : { ...record, code }) as QuantizedTensor;
}

/** As `recordOf` for codebooks without double quantization; in one literal, which is ten times faster. */
export function codebookRecord(
  { shape, dtype, kernels }: Base,
  { quantType, mode, blockSize, quantStorage }: CodebookCoding,
  codes: Uint8Array,
  absmax: Float32Array,
  code: Float32Array | undefined,
): QuantizedTensor {
  if (quantType !== "dynamic8") {
    return { shape, dtype, kernels, quantType, mode, blockSize, quantStorage, codes, absmax };
  }
  const levels = code as Float32Array;
  return { shape, dtype, kernels, quantType, mode, blockSize, codes, absmax, code: levels };
}

/** What a record says of its coding. */
export function describe(coding: Coding): Partial<QuantizedTensor> {
  switch (coding.family) {
    case "codebook": {
      const { quantType, mode, blockSize, quantStorage } = coding;
      return quantType === "dynamic8"
        ? { quantType, mode, blockSize }
        : { quantType, mode, blockSize, quantStorage };
    }
    case "rows":
      return { quantType: coding.quantType };
    case "affine":
    case "float": {
      const { quantType, granularity, axis, blockSize } = coding;
      return {
        quantType,
        ...(coding.family === "affine" ? { symmetric: coding.symmetric } : {}),
        granularity,
        ...(granularity === "channel" ? { axis } : {}),
        ...(granularity === "block" ? { blockSize } : {}),
      };
    }
  }
}

/** What is stored beside the codes, under the record's names. */
export function beside(scales: EncodedScales): object {
  const { family: _, ...parts } = scales;
  return parts;
}

function typed(coding: Coding, codes: Uint8Array | Int8Array): Uint8Array | Int8Array {
  const isSigned = coding.quantType === "int8" || coding.family === "rows";
  return isSigned ? new Int8Array(codes.buffer, codes.byteOffset, codes.byteLength) : codes;
}
