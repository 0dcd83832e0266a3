/** `quantize`: weights in memory → a `QuantizedTensor`, synchronously. */

import type { FloatDtype } from "../foundation/dtype.ts";
import { ArgumentError } from "../foundation/errors.ts";
import { elementCountOf } from "../foundation/shape.ts";
import type { KernelChoice } from "../kernels/kernel-set.ts";
import { codebookOfLevels } from "./codebooks.ts";
import { sharedWorkspace } from "./default-workspace.ts";
import { type FloatArray, type FloatBytes, floatBytesOf } from "./float-array.ts";
import { type Coding, type CodingOptions, codingOf, packedBytes, storageBytes } from "./options.ts";
import { findOutliers, zeroColumns } from "./outliers.ts";
import type {
  Quantized4Bit,
  QuantizedDynamic8,
  QuantizedInt8,
  QuantizedTensor,
  QuantType,
} from "./quantized-tensor.ts";
import { TensorEncoder } from "./tensor-encoder.ts";
import type { Workspace } from "./workspace.ts";

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
  /** Double quantization only: an offset (rounded to f32) to use instead of the mean of the absmax. */
  readonly nestedOffset?: number;
  /** Let NaN and infinity through. @defaultValue false */
  readonly allowNonFinite?: boolean;
  /** @defaultValue "auto": WASM where it runs, the scalar reference elsewhere */
  readonly kernels?: KernelChoice;
}

/** The record that `quantize` returns for a quant type. */
export type QuantizedBy<Type extends QuantType> = Type extends "nf4" | "fp4"
  ? Quantized4Bit
  : Type extends "dynamic8"
    ? QuantizedDynamic8
    : QuantizedInt8;

/**
 * Quantizes weights with bitsandbytes' arithmetic, bit for bit.
 *
 *   4 bits:   codes = nearest level of w / absmax(block), two to a byte
 *   dynamic8: the same with 256 levels
 *   llm-int8: codes = round(w · 127 / absmax(row)), w rounded to float16 first
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
    coding.quantType === "llm-int8"
      ? quantizeRows(workspace, input, shape, options)
      : quantizeBlocks(workspace, coding, input, shape, options);
  return record as QuantizedTensor as QuantizedBy<Type>;
}

function quantizeBlocks(
  workspace: Workspace,
  coding: Coding,
  input: FloatBytes,
  shape: readonly number[],
  options: QuantizeOptions,
): Quantized4Bit | QuantizedDynamic8 {
  const { quantType, mode, blockSize, quantStorage } = coding;
  const { dtype, elementCount } = input;
  const is8Bit = quantType === "dynamic8";
  if (!is8Bit) storageBytes(quantStorage, elementCount);
  const code = is8Bit ? codebookOfLevels(options.code) : undefined;
  const codes = new Uint8Array(is8Bit ? elementCount : packedBytes(elementCount));
  const { allowNonFinite } = options;
  const nestedOffset =
    options.nestedOffset === undefined ? undefined : Math.fround(options.nestedOffset);
  const job = { ...coding, dtype, elementCount, code, allowNonFinite, nestedOffset };
  const encoder = new TensorEncoder(workspace, job);
  encodeAll(encoder, input, codes);
  const { absmax, nested } = encoder.finish();
  const common = { shape: [...shape], dtype, mode, blockSize, codes, kernels: workspace.report };
  if (code !== undefined) {
    const levels = code.levels.slice();
    return { quantType: "dynamic8", ...common, absmax: absmax as Float32Array, code: levels };
  }
  const record = { quantType: quantType as "nf4" | "fp4", ...common, quantStorage, absmax };
  return nested === undefined ? record : { ...record, nested };
}

function quantizeRows(
  workspace: Workspace,
  input: FloatBytes,
  shape: readonly number[],
  options: QuantizeOptions,
): QuantizedInt8 {
  const { dtype, elementCount } = input;
  const [rows, columnCount] = shape;
  if (rows === undefined || columnCount === undefined || shape.length !== 2) {
    throw new ArgumentError("shape", "[rows, columns] for llm-int8", shape);
  }
  const threshold = options.threshold ?? 0;
  if (!(threshold >= 0)) throw new ArgumentError("threshold", "a number ≥ 0", threshold);
  const outliers =
    threshold > 0
      ? findOutliers(input, columnCount, threshold, options.allowNonFinite === true)
      : undefined;
  const codes = new Int8Array(elementCount);
  const job = {
    ...codingOf({ quantType: "llm-int8" }),
    dtype: outliers === undefined ? dtype : ("float16" as const),
    elementCount,
    columnCount,
    allowNonFinite: options.allowNonFinite,
  };
  const encoder = new TensorEncoder(workspace, job);
  encodeAll(encoder, outliers?.cleaned ?? input, new Uint8Array(codes.buffer));
  if (outliers !== undefined) zeroColumns(codes, columnCount, outliers.columns);
  const absmax = encoder.finish().absmax as Float32Array;
  // A row without elements has no tile; its absmax is 0.
  const scb = absmax.length === rows ? absmax : new Float32Array(rows);
  return {
    quantType: "llm-int8",
    shape: [...shape],
    dtype,
    codes,
    scb,
    ...(outliers === undefined ? {} : { outlierColumns: outliers.columns }),
    kernels: workspace.report,
  };
}

function encodeAll(encoder: TensorEncoder, input: FloatBytes, codes: Uint8Array): void {
  const itemBytes = input.bytes.byteLength / Math.max(1, input.elementCount);
  let written = 0;
  for (let start = 0; start < input.elementCount; start += encoder.tileElements) {
    const count = Math.min(encoder.tileElements, input.elementCount - start);
    const tile = input.bytes.subarray(start * itemBytes, (start + count) * itemBytes);
    encoder.input(0, count).set(tile);
    const encoded = encoder.encode(0, count);
    codes.set(encoded, written);
    written += encoded.byteLength;
  }
}

/** An option that would do nothing is a misunderstanding. */
function refuseInapplicable(coding: Coding, options: QuantizeOptions): void {
  const { quantType, doubleQuant } = coding;
  const { code, threshold, nestedOffset } = options;
  if (code !== undefined && quantType !== "dynamic8") {
    throw new ArgumentError("code", `none for ${quantType}, whose levels are fixed`, code);
  }
  if (threshold !== undefined && quantType !== "llm-int8") {
    throw new ArgumentError("threshold", `none for ${quantType}; llm-int8 alone has it`, threshold);
  }
  if (nestedOffset === undefined) return;
  if (!doubleQuant) {
    throw new ArgumentError("nestedOffset", "none without doubleQuant", nestedOffset);
  }
  if (!Number.isFinite(nestedOffset)) {
    throw new ArgumentError("nestedOffset", "a finite number", nestedOffset);
  }
}
