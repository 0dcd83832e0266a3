/** `quantizeBatch`: many tensors with the same options, as many tiny ones ask for. */

import { ArgumentError } from "../foundation/errors.ts";
import { elementCountOf } from "../foundation/shape.ts";
import { type QuantType, SCHEMES } from "../schemes/registry.ts";
import { codeBytesOf } from "./code-bytes.ts";
import { sharedWorkspace } from "./default-workspace.ts";
import { type FloatArray, type FloatBytes, floatBytesOf } from "./float-array.ts";
import { type CodebookCoding, codingOf } from "./options.ts";
import { type QuantizedBy, type QuantizeOptions, quantize } from "./quantize.ts";
import type { QuantizedTensor } from "./quantized-tensor.ts";
import { codebookRecord } from "./record.ts";
import { TILE_BYTES, type Workspace } from "./workspace.ts";

/** What is the same for all of them. */
export type QuantizeBatchOptions = Omit<QuantizeOptions, "out" | "shape"> & {
  /** Of every tensor. @defaultValue [length] of each */
  readonly shape?: readonly number[];
};

/**
 * As `quantize` of one after the other, and with its bytes. nf4, fp4 and af4 without double
 * quantization and of whole blocks go through the kernels many at once, which takes a third of the
 * time for tiny tensors; all others are no faster than in a loop.
 *
 * @throws as `quantize`; nothing is returned then
 */
export function quantizeBatch<Type extends QuantType = "nf4">(
  tensors: readonly FloatArray[],
  options: QuantizeBatchOptions & { readonly quantType?: Type } = {},
): QuantizedBy<Type>[] {
  if (!Array.isArray(tensors)) {
    throw new ArgumentError("tensors", "an array of weights", tensors);
  }
  const coding = codingOf(options);
  const records: QuantizedTensor[] = [];
  let batch: FloatBytes[] = [];
  let room = TILE_BYTES;
  const flush = () => {
    const first = records.length;
    const isDone =
      batch.length > 1 &&
      coding.family === "codebook" &&
      quantizeJoined(sharedWorkspace(options.kernels), coding, batch, options.shape, records);
    // One alone; or one of them holds NaN or infinity, and quantize knows what to say.
    if (!isDone) {
      for (let i = 0; i < batch.length; i++) {
        records.push(quantize(tensors[first + i] as FloatArray, options));
      }
    }
    batch = [];
    room = TILE_BYTES;
  };
  for (const weights of tensors) {
    const input = floatBytesOf(weights, options.dtype, "weights");
    if (!isJoined(coding.family === "codebook" ? coding : undefined, input, options, batch[0])) {
      flush();
      records.push(quantize(weights, options));
      continue;
    }
    if (input.bytes.byteLength > room) flush();
    batch.push(input);
    room -= input.bytes.byteLength;
  }
  flush();
  return records as QuantizedBy<Type>[];
}

/** Whether a tensor can share a call with those before it; `quantize` checks what remains. */
function isJoined(
  coding: CodebookCoding | undefined,
  { elementCount, bytes, dtype }: FloatBytes,
  { code, nestedOffset, threshold, outlierColumns, shape }: QuantizeBatchOptions,
  first: FloatBytes | undefined,
): boolean {
  if (coding === undefined || coding.doubleQuant || coding.quantType === "dynamic8") return false;
  const isPlain = [code, nestedOffset, threshold, outlierColumns].every((one) => one === undefined);
  return (
    isPlain &&
    coding.quantStorage === "uint8" &&
    elementCount > 0 &&
    elementCount % coding.blockSize === 0 &&
    bytes.byteLength <= TILE_BYTES &&
    (first === undefined || first.dtype === dtype) &&
    (shape === undefined || elementCountOf(shape) === elementCount)
  );
}

/** Whole blocks, one tensor after the other, in one call. @returns false for NaN and infinity */
function quantizeJoined(
  workspace: Workspace,
  coding: CodebookCoding,
  batch: readonly FloatBytes[],
  shape: readonly number[] | undefined,
  records: QuantizedTensor[],
): boolean {
  const { kernels } = workspace;
  const { quantType, mode, blockSize } = coding;
  const elementCount = batch.reduce((sum, one) => sum + one.elementCount, 0);
  const byteLength = batch.reduce((sum, one) => sum + one.bytes.byteLength, 0);
  const blocks = elementCount / blockSize;
  const codeBytes = codeBytesOf(quantType, elementCount);
  const { dtype } = batch[0] as FloatBytes;
  const valuesPtr = workspace.reserve("values 0", byteLength);
  const codesPtr = workspace.reserve("codes 0", codeBytes);
  const absmaxPtr = workspace.reserve("absmax", 4 * blocks);
  const values = workspace.bytes(valuesPtr, byteLength);
  let at = 0;
  for (const { bytes } of batch) {
    values.set(bytes, at);
    at += bytes.byteLength;
  }
  const codebook = SCHEMES[coding.quantType].codebook();
  const places = [valuesPtr, codesPtr, absmaxPtr, elementCount, blockSize] as const;
  if (kernels.quantize4(codebook, mode, dtype, ...places) >= 0) return false;
  const codes = workspace.bytes(codesPtr, codeBytes);
  const absmax = workspace.floats(absmaxPtr, blocks);
  let start = 0;
  for (const { elementCount: count } of batch) {
    const end = start + count;
    const base = { shape: shape ? [...shape] : [count], dtype, kernels: workspace.report };
    const ownCodes = codes.slice(start / 2, end / 2);
    const ownAbsmax = absmax.slice(start / blockSize, end / blockSize);
    records.push(codebookRecord(base, coding, ownCodes, ownAbsmax, undefined));
    start = end;
  }
  return true;
}
