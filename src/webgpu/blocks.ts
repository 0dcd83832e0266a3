/** Codebooks on the GPU: blockwise 4-bit and 8-bit codes, mode `torch`. */

import { type FloatDtype, floatBytes } from "../foundation/dtype.ts";
import { type Codebook, midpointDecision } from "../schemes/codebook.ts";
import type { FloatBytes } from "../tensor/float-array.ts";
import type { Gpu } from "./gpu.ts";
import { blockUnit, dtypeConstant, piecesOf } from "./pieces.ts";
import { type Binding, type Scratch, withScratch } from "./scratch.ts";

/** How blocks are coded. */
export interface BlockCoding {
  readonly codebook: Codebook;
  readonly blockSize: number;
}

/** Where a piece lies on the device. */
export interface BlockPlaces {
  readonly values: Binding | GPUBuffer;
  /** ceil(n · bits / 8) bytes, in whole words. */
  readonly codes: Binding | GPUBuffer;
  /** f32[ceil(n / blockSize)]. */
  readonly absmax: Binding | GPUBuffer;
}

/** There is no such block. */
export const NONE = 0xffffffff;

/**
 * Codes one piece; `count` is a multiple of the block unless the tensor ends with it.
 *
 * @returns a buffer whose first word will be the first block with NaN or infinity, or 2^32 − 1
 */
export async function encodePiece(
  gpu: Gpu,
  scratch: Scratch,
  { codebook, blockSize }: BlockCoding,
  dtype: FloatDtype,
  { values, codes, absmax }: BlockPlaces,
  count: number,
): Promise<GPUBuffer> {
  const DTYPE = dtypeConstant(dtype);
  const [measure, encode] = await Promise.all([
    gpu.pipeline("absmax", { DTYPE }),
    gpu.pipeline("encode-blocks", { DTYPE, BITS: codebook.bits }),
  ]);
  const blocks = Math.ceil(count / blockSize);
  return scratch.step(() => {
    const sizes = scratch.uniform([count, blockSize]);
    const factors = scratch.empty(4 * blocks);
    const status = scratch.upload(Uint32Array.of(NONE));
    const inputs = [sizes, values, absmax, factors, status];
    scratch.dispatch(measure, inputs, blocks, { isWorkgroups: true });
    const table = scratch.upload(tableOf(codebook));
    const words = Math.ceil((count * codebook.bits) / 32);
    scratch.dispatch(encode, [sizes, values, factors, table, codes], words);
    return status;
  });
}

/** Expands one piece into `values`, whole words of `dtype`. */
export async function decodePiece(
  gpu: Gpu,
  scratch: Scratch,
  { codebook, blockSize }: BlockCoding,
  dtype: FloatDtype,
  { values, codes, absmax }: BlockPlaces,
  count: number,
): Promise<void> {
  const constants = { DTYPE: dtypeConstant(dtype), BITS: codebook.bits };
  const decode = await gpu.pipeline("decode-blocks", constants);
  scratch.step(() => {
    const sizes = scratch.uniform([count, blockSize]);
    const levels = scratch.upload(codebook.levels);
    const words = Math.ceil((count * floatBytes(dtype)) / 4);
    scratch.dispatch(decode, [sizes, codes, absmax, levels, values], words);
  });
}

/** @returns codes and absmax of the whole tensor; undefined when a weight is NaN or infinite */
export async function encodeBlocks(
  gpu: Gpu,
  coding: BlockCoding,
  { bytes, dtype, elementCount }: FloatBytes,
): Promise<{ codes: Uint8Array<ArrayBuffer>; absmax: Float32Array<ArrayBuffer> } | undefined> {
  const { blockSize, codebook } = coding;
  const itemBytes = floatBytes(dtype);
  const codes = new Uint8Array(Math.ceil((elementCount * codebook.bits) / 8));
  const absmax = new Float32Array(Math.ceil(elementCount / blockSize));
  for (const { start, count } of piecesOf(gpu.limits, elementCount, rulesOf(coding, itemBytes))) {
    const allFinite = await withScratch(gpu, async (scratch) => {
      const codeBytes = Math.ceil((count * codebook.bits) / 8);
      const blocks = Math.ceil(count / blockSize);
      const places = scratch.step(() => ({
        values: scratch.upload(bytes.subarray(start * itemBytes, (start + count) * itemBytes)),
        codes: scratch.empty(codeBytes),
        absmax: scratch.empty(4 * blocks),
      }));
      const status = await encodePiece(gpu, scratch, coding, dtype, places, count);
      const [ownCodes, ownAbsmax, bad] = await scratch.read(
        [places.codes, codeBytes],
        [places.absmax, 4 * blocks],
        [status, 4],
      );
      codes.set(ownCodes as Uint8Array, (start * codebook.bits) / 8);
      absmax.set(
        new Float32Array((ownAbsmax as Uint8Array).buffer as ArrayBuffer),
        start / blockSize,
      );
      return new Uint32Array((bad as Uint8Array).buffer)[0] === NONE;
    });
    if (!allFinite) return undefined;
  }
  return { codes, absmax };
}

/** Expands a whole tensor into `target`. */
export async function decodeBlocks(
  gpu: Gpu,
  coding: BlockCoding,
  codes: Uint8Array,
  absmax: Float32Array,
  target: FloatBytes,
): Promise<void> {
  const { blockSize, codebook } = coding;
  const { dtype, elementCount } = target;
  const itemBytes = floatBytes(dtype);
  for (const { start, count } of piecesOf(gpu.limits, elementCount, rulesOf(coding, itemBytes))) {
    await withScratch(gpu, async (scratch) => {
      const from = (start * codebook.bits) / 8;
      const codeBytes = Math.ceil((count * codebook.bits) / 8);
      const firstBlock = start / blockSize;
      const blocks = Math.ceil(count / blockSize);
      const places = scratch.step(() => ({
        codes: scratch.upload(codes.subarray(from, from + codeBytes)),
        absmax: scratch.upload(absmax.subarray(firstBlock, firstBlock + blocks)),
        values: scratch.empty(count * itemBytes),
      }));
      await decodePiece(gpu, scratch, coding, dtype, places, count);
      const [values] = await scratch.read([places.values, count * itemBytes]);
      target.bytes.set(values as Uint8Array, start * itemBytes);
    });
  }
}

export function rulesOf(
  { blockSize }: BlockCoding,
  itemBytes: number,
  unit = blockUnit(blockSize),
) {
  return {
    unit,
    bytesPerElement: Math.max(itemBytes, 4 / blockSize),
    elementsPerWorkgroup: Math.min(64, blockSize),
  };
}

/** Thresholds as ordered integers, then the codes of their ranks: wgsl/encode-blocks.wgsl. */
function tableOf(codebook: Codebook): Int32Array {
  const { order, midpoints } = midpointDecision(codebook);
  const table = new Int32Array(512);
  const bits = new Uint32Array(midpoints.buffer);
  bits.forEach((word, rank) => {
    const magnitude = word & 0x7fffffff;
    table[rank] = word >>> 31 === 1 ? -magnitude : magnitude;
  });
  table.set(order, 256);
  return table;
}
