/** `quantizeParallel`: weights in memory → a record, on several threads. */

import { floatBytes } from "../foundation/dtype.ts";
import { ArgumentError } from "../foundation/errors.ts";
import { elementCountOf } from "../foundation/shape.ts";
import type { KernelChoice } from "../kernels/kernel-set.ts";
import { dynamic8 } from "../schemes/dynamic8.ts";
import type { QuantType } from "../schemes/registry.ts";
import { codeBytesOf } from "../tensor/code-bytes.ts";
import { sharedWorkspace } from "../tensor/default-workspace.ts";
import type { EncodeJob } from "../tensor/encoder.ts";
import { type FloatArray, floatBytesOf } from "../tensor/float-array.ts";
import { codingOf } from "../tensor/options.ts";
import { isShared } from "../tensor/part-encoder.ts";
import { type QuantizedBy, type QuantizeOptions, quantize } from "../tensor/quantize.ts";
import type { QuantizedTensor } from "../tensor/quantized-tensor.ts";
import { recordOf } from "../tensor/record.ts";
import { cutOf, TensorAssembler } from "../tensor/tensor-parts.ts";
import { TILE_BYTES } from "../tensor/workspace.ts";
import { ThreadPool } from "./pool.ts";

export interface QuantizeParallelOptions extends QuantizeOptions {
  /** Who does it; see `createThreadPool`. */
  readonly pool: ThreadPool;
}

/**
 * As `quantize`, on the threads of a pool, and with its bytes. Worth it from about a million weights
 * on, and most of all for weights in a `SharedArrayBuffer`: threads read them where they are and
 * write codes into another one, which the record then holds. Other weights are copied on the way.
 * What cannot be cut into parts (per-tensor scales, NVFP4, channels of another axis than the
 * first, outliers, a map of your own) is computed by the caller's thread.
 *
 * The kernels are the pool's.
 *
 * @throws as `quantize`; UnsupportedError when a thread dies
 */
export async function quantizeParallel<Type extends QuantType = "nf4">(
  weights: FloatArray,
  options: QuantizeParallelOptions & { readonly quantType?: Type },
): Promise<QuantizedBy<Type>> {
  const { pool, ...given } = options ?? ({} as typeof options);
  if (!(pool instanceof ThreadPool)) {
    throw new ArgumentError("pool", "a pool of createThreadPool", pool);
  }
  const own = { ...given, kernels: kernelsOf(given, pool) };
  const coding = codingOf(own);
  const input = floatBytesOf(weights, own.dtype, "weights");
  const shape = own.shape ?? [input.elementCount];
  const { allowNonFinite, code, threshold, outlierColumns, nestedOffset, out } = own;
  const isSpecial = [code, threshold, outlierColumns, nestedOffset, out].some(
    (option) => option !== undefined,
  );
  if (elementCountOf(shape) !== input.elementCount) {
    throw new ArgumentError("shape", `dimensions that multiply to ${input.elementCount}`, shape);
  }
  const job: EncodeJob = { coding, dtype: input.dtype, shape, allowNonFinite };
  const isMatrix = coding.family !== "rows" || shape.length === 2;
  const shared = isShared(input.bytes.buffer);
  const partBytes = shared ? sharedPartBytes(input.bytes.byteLength, pool.size) : TILE_BYTES;
  const cut = isSpecial || !isMatrix ? undefined : cutOf(job, partBytes);
  if (cut === undefined) return quantize(weights, own);

  const workspace = sharedWorkspace(own.kernels);
  const assembler = new TensorAssembler(workspace, job);
  const codes = newCodes(codeBytesOf(coding.quantType, input.elementCount), shared);
  const itemBytes = floatBytes(input.dtype);
  const free: ArrayBuffer[] = [];
  let kernels = workspace.report;
  // Shared by all takers: each start is given out once.
  const starts = startsOf(input.elementCount, cut.partElements);
  /** One of several that take part after part; the copy of the next is made while others compute. */
  const run = async () => {
    for (const start of starts) {
      const end = Math.min(start + cut.partElements, input.elementCount);
      const weights = input.bytes.subarray(start * itemBytes, end * itemBytes);
      const [from, to] = [start, end].map((at) => codeBytesOf(coding.quantType, at));
      const place = codes.subarray(from, to);
      if (shared) {
        const { scales, sums, report } = await pool.encode(cut.jobAt(start), weights, place);
        assembler.add(start, scales, sums);
        kernels = report;
        continue;
      }
      const copy = new Uint8Array(
        free.pop() ?? new ArrayBuffer(cut.partElements * itemBytes),
        0,
        weights.byteLength,
      );
      copy.set(weights);
      const part = await pool.encode(cut.jobAt(start), copy);
      free.push((part.weights as Uint8Array).buffer as ArrayBuffer);
      place.set(part.codes);
      assembler.add(start, part.scales, part.sums);
      kernels = part.report;
    }
  };
  await Promise.all(Array.from({ length: 2 * pool.size }, run));
  const base = { shape: [...shape], dtype: input.dtype, kernels };
  const { scales } = assembler.finish();
  const levels = coding.quantType === "dynamic8" ? dynamic8().levels.slice() : undefined;
  return recordOf(base, coding, codes, scales, levels) as QuantizedTensor as QuantizedBy<Type>;
}

/** The pool's: its threads have been told. */
function kernelsOf({ kernels }: QuantizeOptions, pool: ThreadPool): KernelChoice {
  if (kernels === undefined || kernels === pool.kernels) return pool.kernels;
  throw new ArgumentError("kernels", `none, or "${pool.kernels}" as the pool has`, kernels);
}

/** Of shared weights: small enough that all threads end together, large enough to be worth a message. */
function sharedPartBytes(byteLength: number, threads: number): number {
  return Math.min(16 * TILE_BYTES, Math.max(TILE_BYTES, byteLength / (4 * threads)));
}

function newCodes(byteLength: number, shared: boolean): Uint8Array {
  return new Uint8Array(shared ? new SharedArrayBuffer(byteLength) : new ArrayBuffer(byteLength));
}

function* startsOf(elementCount: number, step: number): Generator<number> {
  for (let start = 0; start < elementCount; start += step) yield start;
}
