/** `quantizeParallel`: weights in memory → a record, on several threads. */

import { floatBytes } from "../foundation/dtype.ts";
import { ArgumentError } from "../foundation/errors.ts";
import { elementCountOf } from "../foundation/shape.ts";
import { dynamic8 } from "../schemes/dynamic8.ts";
import type { QuantType } from "../schemes/registry.ts";
import { codeBytesOf } from "../tensor/code-bytes.ts";
import { sharedWorkspace } from "../tensor/default-workspace.ts";
import type { EncodeJob } from "../tensor/encoder.ts";
import { type FloatArray, floatBytesOf } from "../tensor/float-array.ts";
import { codingOf } from "../tensor/options.ts";
import { type QuantizedBy, type QuantizeOptions, quantize } from "../tensor/quantize.ts";
import type { QuantizedTensor } from "../tensor/quantized-tensor.ts";
import { recordOf } from "../tensor/record.ts";
import { cutOf, TensorAssembler } from "../tensor/tensor-parts.ts";
import type { ThreadPool } from "./pool.ts";

export interface QuantizeParallelOptions extends QuantizeOptions {
  /** Who does it; see `createThreadPool`. */
  readonly pool: ThreadPool;
}

/**
 * As `quantize`, on the threads of a pool, and with its bytes. Worth it from about a million weights
 * on. What cannot be cut into parts (per-tensor scales, NVFP4, channels of another axis than the
 * first, outliers, a map of your own) is computed by the caller's thread.
 *
 * @throws as `quantize`; UnsupportedError when a thread dies
 */
export async function quantizeParallel<Type extends QuantType = "nf4">(
  weights: FloatArray,
  options: QuantizeParallelOptions & { readonly quantType?: Type },
): Promise<QuantizedBy<Type>> {
  const { pool, ...own } = options;
  const coding = codingOf(own);
  const input = floatBytesOf(weights, own.dtype, "weights");
  const shape = own.shape ?? [input.elementCount];
  const { allowNonFinite, code, threshold, outlierColumns, nestedOffset } = own;
  const isSpecial = [code, threshold, outlierColumns, nestedOffset].some(
    (option) => option !== undefined,
  );
  if (elementCountOf(shape) !== input.elementCount) {
    throw new ArgumentError("shape", `dimensions that multiply to ${input.elementCount}`, shape);
  }
  const job: EncodeJob = { coding, dtype: input.dtype, shape, allowNonFinite };
  const isMatrix = coding.family !== "rows" || shape.length === 2;
  const cut = isSpecial || !isMatrix ? undefined : cutOf(job);
  if (cut === undefined) return quantize(weights, own);

  const workspace = sharedWorkspace(own.kernels);
  const assembler = new TensorAssembler(workspace, job);
  const codes = new Uint8Array(codeBytesOf(coding.quantType, input.elementCount));
  const itemBytes = floatBytes(input.dtype);
  const free: ArrayBuffer[] = [];
  // Shared by all takers: each start is given out once.
  const starts = startsOf(input.elementCount, cut.partElements);
  /** One of several that take part after part; the copy of the next is made while others compute. */
  const run = async () => {
    for (const start of starts) {
      const count = Math.min(cut.partElements, input.elementCount - start);
      const values = free.pop() ?? new ArrayBuffer(cut.partElements * itemBytes);
      const source = input.bytes.subarray(start * itemBytes, (start + count) * itemBytes);
      new Uint8Array(values).set(source);
      const part = await pool.encode(cut.jobAt(start), values);
      free.push(part.values);
      codes.set(part.codes, codeBytesOf(coding.quantType, start));
      assembler.add(start, part.scales, part.sums);
    }
  };
  await Promise.all(Array.from({ length: 2 * pool.size }, run));
  const base = { shape: [...shape], dtype: input.dtype, kernels: workspace.report };
  const { scales } = assembler.finish();
  const levels = coding.quantType === "dynamic8" ? dynamic8().levels.slice() : undefined;
  return recordOf(base, coding, codes, scales, levels) as QuantizedTensor as QuantizedBy<Type>;
}

function* startsOf(elementCount: number, step: number): Generator<number> {
  for (let start = 0; start < elementCount; start += step) yield start;
}
