/** Runs a plan: the output's bytes from front to back, in bounded memory. */

import { aligned, encodeGgufHeader } from "../formats/gguf/index.ts";
import { NonFiniteError, quoted } from "../foundation/errors.ts";
import { dequantizeBlocks } from "../ggml/dequantize-blocks.ts";
import { quantizeBlocks } from "../ggml/quantize-blocks.ts";
import type { KernelChoice } from "../kernels/kernel-set.ts";
import { BLOCK_LAYOUTS, type BlockType } from "../schemes/ggml/block-types.ts";
import { isPlainType } from "./file-types.ts";
import type { GgufPlan, GgufStep, ModelTensor } from "./plan.ts";

/** The bytes of one tensor, in order. */
export interface TensorBytes {
  fill(target: Uint8Array): Promise<void>;
}

/** What became of a tensor. */
export interface GgufTensorReport {
  readonly name: string;
  /** The contiguous dimension first. */
  readonly dimensions: readonly number[];
  readonly from: string;
  readonly to: string;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

export interface RunGgufOptions {
  /** @defaultValue "auto" */
  readonly kernels?: KernelChoice | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Source bytes that were carried over since the last call. */
  readonly onBytes?: ((byteCount: number) => void) | undefined;
  /** Called after each tensor. */
  readonly onTensor?: ((report: GgufTensorReport) => void) | undefined;
}

/** Values that are recoded at once: a multiple of every block, 1 MB as float32. */
const CHUNK_VALUES = 1 << 18;
/** Bytes that are copied at once. */
const CHUNK_BYTES = 1 << 20;

/**
 * Emits the whole output.
 *
 * @param open gives the bytes of a source tensor; called in the order of the plan
 * @param emit takes the bytes in order; their memory is used again when its promise settles
 * @throws NonFiniteError, or what `open` and `emit` throw
 */
export async function runGguf(
  { steps, layout }: GgufPlan,
  open: (tensor: ModelTensor) => Promise<TensorBytes>,
  emit: (bytes: Uint8Array) => Promise<void>,
  options: RunGgufOptions = {},
): Promise<void> {
  const { signal } = options;
  for (const bytes of encodeGgufHeader(layout)) {
    signal?.throwIfAborted();
    await emit(bytes);
  }
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (const step of steps) {
    signal?.throwIfAborted();
    const { source, target, recode } = step;
    const bytes = await open(source);
    if (recode === undefined) await copy(step, bytes, buffer, emit, options);
    else await recodeTensor(step, recode.from, recode.to, bytes, emit, options);
    const padding = aligned(target.byteLength, layout.alignment) - target.byteLength;
    if (padding > 0) await emit(new Uint8Array(padding));
    options.onTensor?.(reportOf(step));
  }
}

export function reportOf({ source, target }: GgufStep): GgufTensorReport {
  return {
    name: source.name,
    dimensions: source.dimensions,
    from: source.type.name,
    to: target.type.name,
    bytesBefore: source.byteLength,
    bytesAfter: target.byteLength,
  };
}

async function copy(
  { source: { byteLength } }: GgufStep,
  bytes: TensorBytes,
  buffer: Uint8Array,
  emit: (bytes: Uint8Array) => Promise<void>,
  { signal, onBytes }: RunGgufOptions,
): Promise<void> {
  for (let at = 0; at < byteLength; at += buffer.byteLength) {
    signal?.throwIfAborted();
    const piece = buffer.subarray(0, byteLength - at);
    await bytes.fill(piece);
    await emit(piece);
    onBytes?.(piece.byteLength);
  }
}

/** No block depends on another: the pieces need not be rows. */
async function recodeTensor(
  { source }: GgufStep,
  from: BlockType,
  to: BlockType,
  bytes: TensorBytes,
  emit: (bytes: Uint8Array) => Promise<void>,
  options: RunGgufOptions,
): Promise<void> {
  const before = BLOCK_LAYOUTS[from];
  const after = BLOCK_LAYOUTS[to];
  const valueCount = (source.byteLength / before.blockBytes) * before.blockValues;
  const chunkValues = Math.min(CHUNK_VALUES, valueCount);
  const input = new Uint8Array((chunkValues / before.blockValues) * before.blockBytes);
  const output = new Uint8Array((chunkValues / after.blockValues) * after.blockBytes);
  for (let at = 0; at < valueCount; at += chunkValues) {
    options.signal?.throwIfAborted();
    const count = Math.min(chunkValues, valueCount - at);
    const piece = input.subarray(0, (count / before.blockValues) * before.blockBytes);
    const blocks = output.subarray(0, (count / after.blockValues) * after.blockBytes);
    await bytes.fill(piece);
    try {
      recode(piece, from, to, blocks, options.kernels);
    } catch (error) {
      throw placed(error, source.name, at);
    }
    await emit(blocks);
    options.onBytes?.(piece.byteLength);
  }
}

const FLOAT_DTYPES = { F16: "float16", BF16: "bfloat16" } as const;

/** Blocks of one type as blocks of another, or of the same. */
export function recode(
  input: Uint8Array,
  from: BlockType,
  to: BlockType,
  out: Uint8Array,
  kernels: KernelChoice = "auto",
): void {
  if (from === "F16" || from === "BF16") {
    const halves = new Uint16Array(input.buffer, input.byteOffset, input.byteLength / 2);
    quantizeBlocks(halves, { type: to, dtype: FLOAT_DTYPES[from], out, kernels });
    return;
  }
  const values = isPlainType(from)
    ? new Float32Array(input.buffer, input.byteOffset, input.byteLength / 4)
    : dequantizeBlocks(input, { type: from, kernels });
  quantizeBlocks(values, { type: to, out, kernels });
}

/** An error of one piece as one of the tensor. */
function placed(error: unknown, tensor: string, start: number): unknown {
  if (!(error instanceof NonFiniteError)) return error;
  const index = start + error.index;
  const problem = error.message.replace(/^weights: element \d+/, `element ${index}`);
  const message = `tensor ${quoted(tensor)}: ${problem}, or keep the tensor in float by a rule`;
  return new NonFiniteError(tensor, index, Number.NaN, false, undefined, message);
}
