/** `quantize`: weights in memory → a `QuantizedTensor`, synchronously. */

import type { FloatDtype } from "../foundation/dtype.ts";
import { ArgumentError } from "../foundation/errors.ts";
import { elementCountOf } from "../foundation/shape.ts";
import type { KernelChoice } from "../kernels/kernel-set.ts";
import {
  type QuantType,
  type QuantType4,
  type QuantTypeAffine,
  type QuantTypeFloat,
  SCHEMES,
} from "../schemes/registry.ts";
import { codeBytesOf, storageBytes } from "./code-bytes.ts";
import { codebookOfLevels } from "./codebooks.ts";
import { sharedWorkspace } from "./default-workspace.ts";
import { encodeAll } from "./encode-all.ts";
import type { EncodeJob } from "./encoder.ts";
import { expectArray } from "./expect-array.ts";
import { type FloatArray, type FloatBytes, floatBytesOf } from "./float-array.ts";
import { newEncoder } from "./new-encoder.ts";
import {
  type CodebookCoding,
  type Coding,
  type CodingOptions,
  codingOf,
  type RowCoding,
} from "./options.ts";
import { quantizeRows } from "./quantize-rows.ts";
import { fitsTile, quantizeTile } from "./quantize-tile.ts";
import type {
  Quantized4Bit,
  QuantizedAffine,
  QuantizedDynamic8,
  QuantizedFloat,
  QuantizedInt8,
  QuantizedTensor,
} from "./quantized-tensor.ts";
import { codebookRecord, recordOf } from "./record.ts";
import type { Workspace } from "./workspace.ts";

/** Arrays of a codebook's record. */
export interface QuantizeTarget {
  /** ceil(n / 2) bytes at 4 bits, n at 8. */
  readonly codes: Uint8Array;
  /** ceil(n / blockSize) f32. */
  readonly absmax: Float32Array;
}

export interface QuantizeOptions extends CodingOptions {
  /** Row-major shape. @defaultValue [weights.length] */
  readonly shape?: readonly number[];
  /** What a Uint16Array holds. */
  readonly dtype?: FloatDtype;
  /** dynamic8 only: another ascending map of 256 levels. @defaultValue bitsandbytes' dynamic map */
  readonly code?: Float32Array;
  /**
   * llm-int8 only: elements with |x| ≥ threshold are outliers, left out of the row's absmax; their
   * columns are coded 0, as bitsandbytes does to activations. @defaultValue 0 (none)
   */
  readonly threshold?: number;
  /**
   * llm-int8 only: columns of weights to keep in float16 (`outlierWeights`), because the activations
   * that meet them are outliers (`findOutlierColumns`). They do not count for their rows' absmax.
   */
  readonly outlierColumns?: ArrayLike<number>;
  /** Double quantization only: an offset (rounded to f32) to use instead of the mean of the absmax. */
  readonly nestedOffset?: number;
  /** Let NaN and infinity through. @defaultValue false */
  readonly allowNonFinite?: boolean;
  /**
   * nf4, fp4, af4 and dynamic8 without double quantization: where codes and absmax go, which the
   * record then holds. Undefined content after an error.
   */
  readonly out?: QuantizeTarget;
  /** @defaultValue "auto": WASM where it runs, the scalar reference elsewhere */
  readonly kernels?: KernelChoice;
}

/** The record that `quantize` returns for a quant type. */
export type QuantizedBy<Type extends QuantType> = Type extends QuantType4
  ? Quantized4Bit
  : Type extends "dynamic8"
    ? QuantizedDynamic8
    : Type extends QuantTypeAffine
      ? QuantizedAffine
      : Type extends QuantTypeFloat
        ? QuantizedFloat
        : QuantizedInt8;

/**
 * Quantizes weights.
 *
 *   nf4, fp4, af4, dynamic8:  nearest level of w / absmax(block)         bitsandbytes, bit for bit
 *   llm-int8:                 round(f16(w) · 127 / absmax(row))          bitsandbytes, bit for bit
 *   int4 … uint8:             clamp(round(w / scale) + zeroPoint)        ONNX QuantizeLinear's bits
 *   mxfp4 … fp8-e5m2:         nearest small float to w / scale, saturating
 *
 * @param weights n floats, row-major; never changed
 * @throws ArgumentError for a wrong option, array or shape
 * @throws NonFiniteError when the weights hold NaN or infinity and that is not allowed
 * @throws UnsupportedError when `kernels: "wasm"` cannot run here
 */
export function quantize<Type extends QuantType = "nf4">(
  weights: FloatArray,
  options: QuantizeOptions & { readonly quantType?: Type } = {},
): QuantizedBy<Type> {
  const coding = codingOf(options);
  refuseInapplicable(coding, options);
  const input = floatBytesOf(weights, options.dtype, "weights");
  const shape = options.shape ?? [input.elementCount];
  if (elementCountOf(shape) !== input.elementCount) {
    throw new ArgumentError("shape", `dimensions that multiply to ${input.elementCount}`, shape);
  }
  const workspace = sharedWorkspace(options.kernels);
  const record =
    coding.family === "rows"
      ? quantizeRows(workspace, coding, input, shape, options)
      : quantizeAll(workspace, coding, input, shape, options);
  return record as QuantizedTensor as QuantizedBy<Type>;
}

function quantizeAll(
  workspace: Workspace,
  coding: Exclude<Coding, RowCoding>,
  input: FloatBytes,
  shape: readonly number[],
  options: QuantizeOptions,
): QuantizedTensor {
  const { dtype, elementCount } = input;
  const { allowNonFinite, nestedOffset } = options;
  if (coding.family === "codebook") storageBytes(coding.quantStorage, elementCount);
  const code = coding.quantType === "dynamic8" ? codebookOfLevels(options.code) : undefined;
  const base = { shape: [...shape], dtype, kernels: workspace.report };
  const out = targetOf(coding, elementCount, options.out);
  if (coding.family === "codebook" && fitsTile(coding, input)) {
    const codebook = code ?? SCHEMES[coding.quantType].codebook();
    const absmax = out?.absmax ?? new Float32Array(Math.ceil(elementCount / coding.blockSize));
    const codes = out?.codes ?? new Uint8Array(codeBytesOf(coding.quantType, elementCount));
    if (quantizeTile(workspace, coding, codebook, input, codes, absmax)) {
      return codebookRecord(base, coding, codes, absmax, code?.levels.slice());
    }
  }
  const job: EncodeJob = {
    coding,
    dtype,
    shape,
    code,
    allowNonFinite,
    nestedOffset: nestedOffset === undefined ? undefined : Math.fround(nestedOffset),
  };
  const codes = out?.codes ?? new Uint8Array(codeBytesOf(coding.quantType, elementCount));
  const { scales } = encodeAll(newEncoder(workspace, job), input, codes);
  if (out !== undefined && scales.family === "codebook") {
    out.absmax.set(scales.absmax);
    return codebookRecord(base, coding as CodebookCoding, codes, out.absmax, code?.levels.slice());
  }
  return recordOf(base, coding, codes, scales, code?.levels.slice());
}

/** @throws ArgumentError for arrays of other lengths or types, or where there is no such target */
function targetOf(
  coding: Coding,
  elementCount: number,
  out: QuantizeTarget | undefined,
): QuantizeTarget | undefined {
  if (out === undefined) return undefined;
  if (coding.family !== "codebook" || coding.doubleQuant) {
    const expected = "none, except for a codebook without doubleQuant";
    throw new ArgumentError("out", expected, out);
  }
  expectArray("out.codes", out.codes, ["Uint8Array"], codeBytesOf(coding.quantType, elementCount));
  const blocks = Math.ceil(elementCount / coding.blockSize);
  expectArray("out.absmax", out.absmax, ["Float32Array"], blocks);
  return out;
}

/** An option that would do nothing is a misunderstanding. */
export function refuseInapplicable(coding: Coding, options: QuantizeOptions): void {
  const { quantType } = coding;
  const { code, threshold, outlierColumns, nestedOffset, out } = options;
  if (out !== undefined && coding.family === "rows") {
    throw new ArgumentError("out", "none for llm-int8", out);
  }
  if (code !== undefined && quantType !== "dynamic8") {
    throw new ArgumentError("code", `none for ${quantType}, whose levels are fixed`, code);
  }
  if (threshold !== undefined && quantType !== "llm-int8") {
    throw new ArgumentError("threshold", `none for ${quantType}; llm-int8 alone has it`, threshold);
  }
  if (outlierColumns !== undefined && quantType !== "llm-int8") {
    const expected = `none for ${quantType}; llm-int8 alone has them`;
    throw new ArgumentError("outlierColumns", expected, outlierColumns);
  }
  if (nestedOffset === undefined) return;
  if (coding.family !== "codebook" || !coding.doubleQuant) {
    throw new ArgumentError(
      "nestedOffset",
      "none without the double quantization of a codebook",
      nestedOffset,
    );
  }
  if (!Number.isFinite(nestedOffset)) {
    throw new ArgumentError("nestedOffset", "a finite number", nestedOffset);
  }
}
