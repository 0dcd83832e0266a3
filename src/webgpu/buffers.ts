/** The caller's own buffers: weights, codes and absmax never leave the device. */

import { FLOAT_DTYPES, type FloatDtype, floatBytes } from "../foundation/dtype.ts";
import { ArgumentError } from "../foundation/errors.ts";
import { SCHEMES } from "../schemes/registry.ts";
import { codebookOfLevels } from "../tensor/codebooks.ts";
import { type CodebookCoding, codingOf, oneOf } from "../tensor/options.ts";
import { type BlockCoding, decodePiece, encodePiece, NONE, rulesOf } from "./blocks.ts";
import type { Gpu } from "./gpu.ts";
import { WebGpuError } from "./outcome.ts";
import { piecesOf } from "./pieces.ts";
import { withScratch } from "./scratch.ts";

/** Blocks at the offset of a binding, a multiple of 256 bytes, for codes, absmax and weights alike. */
const ALIGNED_BLOCKS = 512;

/** GPUBufferUsage.STORAGE. */
const STORAGE = 128;

const QUANT_TYPES = ["nf4", "fp4", "af4", "dynamic8"] as const;

/** Weights and their codes in buffers of the quantizer's device, with `STORAGE` usage. */
export interface BufferJob {
  readonly quantType: (typeof QUANT_TYPES)[number];
  /** @defaultValue 64; 4096 for dynamic8 */
  readonly blockSize?: number;
  /** n, of 1 to 2^31. */
  readonly elementCount: number;
  /** What `values` holds. @defaultValue "float32" */
  readonly dtype?: FloatDtype;
  /** n floats, in whole words. */
  readonly values: GPUBuffer;
  /** ceil(n / 2) bytes at 4 bits, n at 8, in whole words. */
  readonly codes: GPUBuffer;
  /** f32[ceil(n / blockSize)]. */
  readonly absmax: GPUBuffer;
  /** dynamic8 only: the 256 ascending levels. @defaultValue bitsandbytes' dynamic map */
  readonly code?: Float32Array;
}

/** Fills `codes` and `absmax`. @throws ArgumentError; WebGpuError */
export async function encodeBuffers(gpu: Gpu, job: BufferJob): Promise<void> {
  const { coding, dtype } = checked(job);
  for (const { start, count, places } of piecesOfJob(gpu, job, coding, dtype)) {
    await withScratch(gpu, async (scratch) => {
      const status = await encodePiece(gpu, scratch, coding, dtype, places, count);
      const [bad] = await scratch.read([status, 4]);
      const [block] = new Uint32Array((bad as Uint8Array).buffer);
      if (block === NONE) return;
      const place = `block ${start / coding.blockSize + (block as number)} of ${coding.blockSize}`;
      throw new WebGpuError("non-finite", `values: NaN or infinity in ${place} elements`);
    });
  }
}

/** Fills `values`. @throws ArgumentError; WebGpuError */
export async function decodeBuffers(gpu: Gpu, job: BufferJob): Promise<void> {
  const { coding, dtype } = checked(job);
  for (const { count, places } of piecesOfJob(gpu, job, coding, dtype)) {
    await withScratch(gpu, (scratch) => decodePiece(gpu, scratch, coding, dtype, places, count));
  }
}

function checked(job: BufferJob): { coding: BlockCoding; dtype: FloatDtype } {
  const { quantType, elementCount, dtype = "float32", code } = job;
  oneOf("quantType", QUANT_TYPES, quantType);
  oneOf("dtype", FLOAT_DTYPES, dtype);
  const options = job.blockSize === undefined ? {} : { blockSize: job.blockSize };
  const { blockSize } = codingOf({ quantType, ...options }) as CodebookCoding;
  if (!Number.isSafeInteger(elementCount) || elementCount < 1 || elementCount > 2 ** 31) {
    throw new ArgumentError("elementCount", "a whole number from 1 to 2^31", elementCount);
  }
  if (code !== undefined && quantType !== "dynamic8") {
    throw new ArgumentError("code", `none for ${quantType}, whose levels are fixed`, code);
  }
  const isDynamic = quantType === "dynamic8";
  const codebook = isDynamic ? codebookOfLevels(code) : SCHEMES[quantType].codebook();
  const sizes = {
    values: elementCount * floatBytes(dtype),
    codes: Math.ceil((elementCount * codebook.bits) / 8),
    absmax: 4 * Math.ceil(elementCount / blockSize),
  };
  for (const name of ["values", "codes", "absmax"] as const) {
    const least = Math.ceil(sizes[name] / 4) * 4;
    const { size, usage } = job[name];
    if (size < least) throw new ArgumentError(name, `at least ${least} bytes`, `${size} bytes`);
    if ((usage & STORAGE) === 0) {
      throw new ArgumentError(name, "a buffer with GPUBufferUsage.STORAGE", `usage ${usage}`);
    }
  }
  return { coding: { codebook, blockSize }, dtype };
}

/** Parts of the buffers, each as large as a binding may be. */
function piecesOfJob(
  gpu: Gpu,
  { elementCount, values, codes, absmax }: BufferJob,
  coding: BlockCoding,
  dtype: FloatDtype,
) {
  const { codebook, blockSize } = coding;
  const rules = rulesOf(coding, floatBytes(dtype), ALIGNED_BLOCKS * blockSize);
  return piecesOf(gpu.limits, elementCount, rules).map(({ start, count }) => {
    const part = (buffer: GPUBuffer, from: number, bytes: number) => ({
      buffer,
      offset: from,
      size: Math.ceil(bytes / 4) * 4,
    });
    const item = floatBytes(dtype);
    const places = {
      values: part(values, start * item, count * item),
      codes: part(codes, (start * codebook.bits) / 8, (count * codebook.bits) / 8),
      absmax: part(absmax, (4 * start) / blockSize, 4 * Math.ceil(count / blockSize)),
    };
    return { start, count, places };
  });
}
