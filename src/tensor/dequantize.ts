/** `dequantize`: a `QuantizedTensor` → weights, synchronously. */

import { FLOAT_DTYPES, type FloatDtype, floatBytes } from "../foundation/dtype.ts";
import { ArgumentError } from "../foundation/errors.ts";
import { elementCountOf } from "../foundation/shape.ts";
import type { KernelChoice } from "../kernels/kernel-set.ts";
import { codebookOf, codebookOfLevels } from "./codebooks.ts";
import { sharedWorkspace } from "./default-workspace.ts";
import { type FloatArray, floatBytesOf, newFloatArray } from "./float-array.ts";
import { unnestAbsmax } from "./nested-absmax.ts";
import { BLOCK_SIZES_4BIT, oneOf, packedBytes, QUANT_TYPES } from "./options.ts";
import type { Quantized4Bit, QuantizedInt8, QuantizedTensor } from "./quantized-tensor.ts";
import { TILE_BYTES, type Workspace } from "./workspace.ts";

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
 *   4 bits, dynamic8:  fl(level[code] · absmax[block]), then rounded to `dtype`
 *   llm-int8:          fl(fl(code · scb[row]) · fl(1 / 127)), then rounded to `dtype`
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
  const workspace = sharedWorkspace(options.kernels);
  decode(workspace, quantized, elementCount, target.dtype, target.bytes);
  return out;
}

/** Decodes tile by tile through the workspace. */
function decode(
  workspace: Workspace,
  quantized: QuantizedTensor,
  elementCount: number,
  dtype: FloatDtype,
  out: Uint8Array,
): void {
  const itemBytes = floatBytes(dtype);
  const rowLength = quantized.shape[1] ?? 1;
  const blockSize = quantized.quantType === "llm-int8" ? rowLength : quantized.blockSize;
  const tileBlocks = Math.max(1, Math.floor(TILE_BYTES / itemBytes / Math.max(1, blockSize)));
  const tile = Math.min(elementCount, tileBlocks * blockSize);
  const is4Bit = quantized.quantType === "nf4" || quantized.quantType === "fp4";
  const codeBytesOf = (count: number) => (is4Bit ? packedBytes(count) : count);
  const codes = new Uint8Array(
    quantized.codes.buffer,
    quantized.codes.byteOffset,
    quantized.codes.byteLength,
  );
  const codesPtr = workspace.reserve("codes 0", codeBytesOf(tile));
  const absmaxPtr = workspace.reserve("absmax", tileBlocks * 4);
  const valuesPtr = workspace.reserve("values 0", tile * itemBytes);
  const run = decoderOf(workspace, quantized, dtype, codesPtr, absmaxPtr, valuesPtr);

  for (let start = 0; start < elementCount; start += tile) {
    const count = Math.min(tile, elementCount - start);
    const firstCode = codeBytesOf(start);
    const tileCodes = codes.subarray(firstCode, firstCode + codeBytesOf(count));
    workspace.bytes(codesPtr, tileCodes.byteLength).set(tileCodes);
    const firstBlock = start / blockSize;
    const scales = scalesOf(quantized, firstBlock, firstBlock + Math.ceil(count / blockSize));
    workspace.floats(absmaxPtr, scales.length).set(scales);
    run(count);
    out.set(workspace.bytes(valuesPtr, count * itemBytes), start * itemBytes);
  }
}

function decoderOf(
  { kernels }: Workspace,
  quantized: QuantizedTensor,
  dtype: FloatDtype,
  codesPtr: number,
  absmaxPtr: number,
  valuesPtr: number,
): (elementCount: number) => void {
  switch (quantized.quantType) {
    case "nf4":
    case "fp4": {
      const codebook = codebookOf(quantized.quantType);
      return (count) =>
        kernels.dequantize4(
          codebook,
          dtype,
          codesPtr,
          absmaxPtr,
          valuesPtr,
          count,
          quantized.blockSize,
        );
    }
    case "dynamic8": {
      const codebook = codebookOfLevels(quantized.code);
      return (count) =>
        kernels.dequantize8(
          codebook,
          dtype,
          codesPtr,
          absmaxPtr,
          valuesPtr,
          count,
          quantized.blockSize,
        );
    }
    case "llm-int8": {
      const columns = quantized.shape[1] as number;
      return (count) =>
        kernels.dequantizeInt8Rows(dtype, codesPtr, absmaxPtr, valuesPtr, count / columns, columns);
    }
  }
}

function scalesOf(quantized: QuantizedTensor, start: number, end: number): Float32Array {
  if (quantized.quantType === "llm-int8") return quantized.scb.subarray(start, end);
  if (quantized.quantType === "dynamic8" || quantized.nested === undefined) {
    return (quantized.absmax as Float32Array).subarray(start, end);
  }
  return unnestAbsmax(quantized.absmax as Uint8Array, quantized.nested, start, end);
}

/** @returns the number of elements, having checked that every part of the record fits the shape */
function checkRecord(quantized: QuantizedTensor): number {
  if (typeof quantized !== "object" || quantized === null) {
    throw new ArgumentError("quantized", "a record that quantize returned", quantized);
  }
  oneOf("quantized.quantType", QUANT_TYPES, quantized.quantType);
  const elementCount = elementCountOf(quantized.shape);
  switch (quantized.quantType) {
    case "nf4":
    case "fp4":
      if (!BLOCK_SIZES_4BIT.includes(quantized.blockSize)) {
        const allowed = `one of ${BLOCK_SIZES_4BIT.join(", ")}`;
        throw new ArgumentError("quantized.blockSize", allowed, quantized.blockSize);
      }
      expectLength("quantized.codes", quantized.codes, packedBytes(elementCount));
      checkAbsmax(quantized, Math.ceil(elementCount / quantized.blockSize));
      return elementCount;
    case "dynamic8": {
      const { blockSize } = quantized;
      if (!Number.isSafeInteger(blockSize) || blockSize < 1) {
        throw new ArgumentError("quantized.blockSize", "a whole number ≥ 1", blockSize);
      }
      expectLength("quantized.codes", quantized.codes, elementCount);
      expectLength("quantized.absmax", quantized.absmax, Math.ceil(elementCount / blockSize));
      expectLength("quantized.code", quantized.code, 256);
      return elementCount;
    }
    case "llm-int8":
      checkRows(quantized, elementCount);
      return elementCount;
  }
}

function checkAbsmax(quantized: Quantized4Bit, blocks: number): void {
  const { absmax, nested } = quantized;
  expectLength("quantized.absmax", absmax, blocks);
  const isBytes = absmax.BYTES_PER_ELEMENT === 1;
  if (isBytes !== (nested !== undefined)) {
    const expected = isBytes ? "present for an 8-bit absmax" : "absent for a float absmax";
    throw new ArgumentError("quantized.nested", expected, nested);
  }
  if (nested === undefined) return;
  if (!Number.isSafeInteger(nested.blockSize) || nested.blockSize < 1) {
    throw new ArgumentError("quantized.nested.blockSize", "a whole number ≥ 1", nested.blockSize);
  }
  expectLength("quantized.nested.absmax", nested.absmax, Math.ceil(blocks / nested.blockSize));
  expectLength("quantized.nested.levels", nested.levels, 256);
}

function checkRows(quantized: QuantizedInt8, elementCount: number): void {
  const [rows, columns] = quantized.shape;
  if (rows === undefined || columns === undefined || quantized.shape.length !== 2) {
    throw new ArgumentError("quantized.shape", "[rows, columns]", quantized.shape);
  }
  expectLength("quantized.codes", quantized.codes, elementCount);
  expectLength("quantized.scb", quantized.scb, rows);
}

function expectLength(argument: string, array: ArrayLike<number>, length: number): void {
  if (array.length !== length) {
    throw new ArgumentError(argument, `${length} elements`, array.length);
  }
}
