/** `linear`: activations times compressed weights. */

import { FLOAT_DTYPES, type FloatDtype, floatBytes } from "../foundation/dtype.ts";
import { ArgumentError } from "../foundation/errors.ts";
import type { KernelChoice } from "../kernels/kernel-set.ts";
import { type FloatArray, type FloatBytes, floatBytesOf } from "../tensor/float-array.ts";
import { oneOf } from "../tensor/options.ts";
import type { QuantizedTensor } from "../tensor/quantized-tensor.ts";
import { placeActivations, placeFloats, takeColumns, takeFloats } from "./activations.ts";
import { multiply, multiplyInt8, multiplyKept } from "./products.ts";
import { insideOf, LinearWeights, type Prepared, prepareLinear } from "./weights.ts";

export interface LinearOptions<Out extends FloatArray = FloatArray> {
  /** One number a row of the weights, added last. A Uint16Array has the dtype of `x`. */
  readonly bias?: FloatArray;
  /** Where the result goes, [batch, rows]. A Uint16Array has the dtype `dtype`. It is what is returned. */
  readonly out?: Out;
  /** What a Uint16Array of activations holds: "float16" or "bfloat16". */
  readonly dtype?: FloatDtype;
  /**
   * "float": products of f32, as with the expanded weights. "int8": each row of activations is
   * rounded to 8 bits first, and so are the levels of NF4, FP4 and AF4: faster and less exact.
   *
   * @defaultValue "float"
   */
  readonly activations?: "float" | "int8";
  /** For a record: which kernels. A handle has its own. @defaultValue "auto" */
  readonly kernels?: KernelChoice;
}

/** Rows of activations that go through the kernels at once. */
const BATCH = 128;

/**
 * y = x · Wᵀ + bias, the weights staying compressed.
 *
 * With float activations y has the bits of `dequantize(weights)` multiplied in one fixed order: each
 * product is rounded to f32 and added to sum (column mod 4), column after column; then (sum 0 +
 * sum 2) + (sum 1 + sum 3), then what LLM.int8 kept in 16 bits, summed likewise, then the bias. A
 * row of the result does not depend on the batch that it is in. NaN and infinity follow IEEE 754;
 * every NaN is the canonical one.
 *
 * @param x [batch, columns], row-major; any batch, also 0
 * @param weights [rows, columns]: a handle of `prepareLinear`, or a record, which is prepared at the
 *   first call and kept as long as the record lives; it must not change meanwhile
 * @returns `out`, or a new Float32Array [batch, rows]
 * @throws ArgumentError for sizes that do not fit; UnsupportedError
 * @example
 * const y = linear(x, q, { bias });
 */
export function linear<Out extends FloatArray = Float32Array<ArrayBuffer>>(
  x: FloatArray,
  weights: QuantizedTensor | LinearWeights,
  options: LinearOptions<Out> = {},
): Out {
  const { dtype, activations = "float" } = options;
  oneOf("activations", ["float", "int8"], activations);
  if (dtype !== undefined) oneOf("dtype", FLOAT_DTYPES, dtype);
  const handle = weights instanceof LinearWeights ? weights : handleOf(weights, options.kernels);
  const inside = insideOf(handle);
  const { rowCount, columnCount } = inside;
  checkActivations(inside, activations, handle);

  const input = floatBytesOf(x, dtypeFor(x, dtype), "x");
  const batchCount = columnCount === 0 ? 0 : input.elementCount / columnCount;
  if (!Number.isInteger(batchCount) || (columnCount === 0 && input.elementCount > 0)) {
    const expected = `rows of ${columnCount} elements, the weights' columns`;
    throw new ArgumentError("x", expected, `${input.elementCount} elements`);
  }
  const bias = biasOf(options.bias, dtype, rowCount);
  const out = (options.out ?? new Float32Array(batchCount * rowCount)) as Out;
  const target = floatBytesOf(out, dtypeFor(out, dtype), "out");
  if (target.elementCount !== batchCount * rowCount) {
    const expected = `${batchCount * rowCount} elements, ${batchCount} × ${rowCount}`;
    throw new ArgumentError("out", expected, `${target.elementCount} elements`);
  }
  for (let first = 0; first < batchCount; first += BATCH) {
    const count = Math.min(BATCH, batchCount - first);
    const piece = slice(input, first * columnCount, count * columnCount);
    const result = slice(target, first * rowCount, count * rowCount);
    multiplyBatch(inside, activations, piece, count, bias, result);
  }
  return out;
}

const handles = /* @__PURE__ */ new WeakMap<QuantizedTensor, Map<KernelChoice, LinearWeights>>();

function handleOf(record: QuantizedTensor, choice: KernelChoice = "auto"): LinearWeights {
  const held = typeof record === "object" && record !== null ? handles.get(record) : undefined;
  const known = held?.get(choice);
  if (known !== undefined) return known;
  const handle = prepareLinear(record, { kernels: choice });
  if (held === undefined) handles.set(record, new Map([[choice, handle]]));
  else held.set(choice, handle);
  return handle;
}

function checkActivations(
  { form }: Prepared,
  activations: "float" | "int8",
  { quantType, shape }: LinearWeights,
): void {
  if (activations === "float" || (form.kind === "resident" && form.layout.takesInt8)) return;
  const expected =
    `"float" for ${quantType} weights of shape [${shape.join(", ")}]: int8 activations need 4-bit, ` +
    "affine or llm-int8 codes, and scales of 32, 64, 96 … 262144 columns of a row";
  throw new ArgumentError("activations", expected, activations);
}

/** A Uint16Array has the caller's dtype; other arrays say themselves what they hold. */
function dtypeFor(array: FloatArray, dtype: FloatDtype | undefined): FloatDtype | undefined {
  return Object.prototype.toString.call(array) === "[object Uint16Array]" ? dtype : undefined;
}

function biasOf(
  bias: FloatArray | undefined,
  dtype: FloatDtype | undefined,
  rowCount: number,
): FloatBytes | undefined {
  if (bias === undefined) return undefined;
  const input = floatBytesOf(bias, dtypeFor(bias, dtype), "bias");
  if (input.elementCount === rowCount) return input;
  const expected = `${rowCount} elements, one a row of the weights`;
  throw new ArgumentError("bias", expected, `${input.elementCount} elements`);
}

function slice({ bytes, dtype }: FloatBytes, start: number, count: number): FloatBytes {
  const item = floatBytes(dtype);
  const piece = bytes.subarray(start * item, (start + count) * item);
  return { dtype, bytes: piece, elementCount: count };
}

/** One batch's products, from the caller's arrays to the caller's array. */
function multiplyBatch(
  inside: Prepared,
  activations: "float" | "int8",
  input: FloatBytes,
  batchCount: number,
  bias: FloatBytes | undefined,
  out: FloatBytes,
): void {
  const { rowCount, columnCount, kept, form } = inside;
  const { memory } = inside.lease;
  const count = batchCount * rowCount;
  const yPtr = memory.reserve("y", 4 * count);
  const biasPtr = bias === undefined ? 0 : placeFloats(memory, "bias", bias);
  const x = placeActivations(memory, input, batchCount, columnCount);
  const keptPtr = kept === undefined ? 0 : memory.reserve("y of kept columns", 4 * count);
  if (kept !== undefined) {
    const own = takeColumns(memory, x, kept.columns);
    multiplyKept(memory, kept, rowCount, own, keptPtr);
  }
  if (activations === "int8" && form.kind === "resident") {
    multiplyInt8(memory, form.layout, form.rows, x, yPtr);
  } else multiply(memory, inside, x, yPtr);
  if (kept !== undefined) memory.kernels.addAndClean(yPtr, keptPtr, count);
  for (let batch = 0; batch < batchCount; batch++) {
    memory.kernels.addAndClean(yPtr + 4 * batch * rowCount, biasPtr, rowCount);
  }
  takeFloats(memory, yPtr, out);
}
