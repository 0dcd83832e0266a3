/** Compares two checkpoints tensor by tensor, quantized or not, in the memory of a few tiles. */

import { type FloatDtype, floatBytes } from "../../foundation/dtype.ts";
import { PlanError, quoted } from "../../foundation/errors.ts";
import { elementCountOf } from "../../foundation/shape.ts";
import { countClipped, countSaturated } from "../../metrics/code-counts.ts";
import { type ComparisonSums, TensorComparison } from "../../metrics/comparison.ts";
import { type CodeFacts, codeFactsOf } from "../../tensor/code-facts.ts";
import { TILE_BYTES, type Workspace } from "../../tensor/workspace.ts";
import type { LayerRules } from "../architectures/index.ts";
import { isFloat } from "../rules.ts";
import { sourceReader, type TensorReader, TransposingReader } from "../tensor-reader.ts";
import { floatDtypeOf } from "../unit.ts";
import { type DecodedPiece, DecodedSource } from "./decoded-source.ts";
import { nameOf, type StoredModel, type StoredTensor } from "./stored-model.ts";

/** One tensor that both checkpoints have. */
export interface ComparedTensor {
  readonly original: StoredTensor;
  readonly restored: StoredTensor;
  readonly sums: ComparisonSums;
}

export interface CompareOptions {
  /** The models' layer rules: GPT-2's Conv1D is stored transposed when it is quantized. */
  readonly layers: LayerRules;
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of original elements that a step took. */
  readonly onElements?: ((elementCount: number) => void) | undefined;
}

/** Which tensors can be compared, and which are in one checkpoint only. */
export interface Matching {
  readonly pairs: readonly (readonly [original: StoredTensor, restored: StoredTensor])[];
  readonly onlyOriginal: readonly string[];
  readonly onlyRestored: readonly string[];
}

/** Pairs float tensors by name, in the order of the original. */
export function matchTensors(original: StoredModel, restored: StoredModel): Matching {
  const others = new Map<string, StoredTensor>();
  for (const tensor of restored.tensors()) {
    if (isComparable(tensor)) others.set(nameOf(tensor), tensor);
  }
  const pairs: [StoredTensor, StoredTensor][] = [];
  const onlyOriginal: string[] = [];
  for (const tensor of original.tensors()) {
    if (!isComparable(tensor)) continue;
    const name = nameOf(tensor);
    const other = others.get(name);
    if (other === undefined) onlyOriginal.push(name);
    else pairs.push([tensor, other]);
    others.delete(name);
  }
  return { pairs, onlyOriginal, onlyRestored: [...others.keys()] };
}

/** @param workspaces one for each side: both decode at once */
export async function compareTensors(
  [original, restored]: readonly [StoredTensor, StoredTensor],
  models: readonly [StoredModel, StoredModel],
  workspaces: readonly [Workspace, Workspace],
  options: CompareOptions,
): Promise<ComparedTensor> {
  const comparison = new TensorComparison();
  const shape = shapeOf(restored);
  const transposed = isTransposed(original, restored, options.layers);
  checkShapes(original, restored, transposed);
  const left = await openValues(original, models[0], workspaces[0], transposed);
  const right = await openPieces(restored, models[1], workspaces[1]);
  const facts =
    restored.kind === "quantized" ? codeFactsOf(restored.weight.coding.quantType) : undefined;
  const elementCount = elementCountOf(shape);
  const tile = Math.min(right.tileElements, elementCount);
  const values = new Float32Array(tile);
  for (let start = 0; start < elementCount; start += tile) {
    options.signal?.throwIfAborted();
    const count = Math.min(tile, elementCount - start);
    const mine = values.subarray(0, count);
    await left.fill(new Uint8Array(mine.buffer, 0, count * 4));
    const { floats, piece } = await right.next(start, count);
    comparison.add(mine, floats, countsOf(mine, floats, piece, facts));
    options.onElements?.(count);
  }
  const sums = comparison.sums();
  return { original, restored, sums: transposed ? inOriginalOrder(sums, shape) : sums };
}

/** @param shape the transposed one, in whose order the elements were compared */
function inOriginalOrder(sums: ComparisonSums, shape: readonly number[]): ComparisonSums {
  const { largestError } = sums;
  if (largestError === undefined) return sums;
  const [rows, columns] = shape as readonly [number, number];
  const row = Math.floor(largestError.index / columns);
  const index = (largestError.index - row * columns) * rows + row;
  return { ...sums, largestError: { ...largestError, index } };
}

function countsOf(
  original: Float32Array,
  restored: Float32Array,
  piece: DecodedPiece | undefined,
  facts: CodeFacts | undefined,
): { saturated?: number; clipped?: number } {
  if (piece === undefined || facts === undefined) return {};
  let clipped = 0;
  piece.eachScale((from, to, scale) => {
    clipped += countClipped(original, restored, from, to, facts.halfStep * Math.abs(scale));
  });
  return { saturated: countSaturated(piece.codes, facts.lowest, facts.highest), clipped };
}

/** Reads a tensor's values as the bytes of f32, front to back. */
export async function openValues(
  tensor: StoredTensor,
  model: StoredModel,
  workspace: Workspace,
  transposed = false,
): Promise<TensorReader> {
  if (tensor.kind === "quantized") {
    const { weight } = tensor;
    const source = new DecodedSource(weight, await weight.scales(), workspace, "float32");
    if (!transposed) return sourceReader(source, 0);
    return new TransposingReader(source, 0, weight.shape as [number, number], 4);
  }
  const { entry } = tensor;
  const dtype = floatDtypeOf(entry);
  const file = model.files[tensor.file];
  if (file === undefined) throw new RangeError("a tensor of another model");
  const position = file.dataStart + entry.begin;
  const reader = transposed
    ? new TransposingReader(
        file.source,
        position,
        entry.shape as [number, number],
        floatBytes(dtype),
      )
    : sourceReader(file.source, position);
  return dtype === "float32" ? reader : widening(reader, dtype, workspace);
}

/** Reads floats of another dtype as f32. */
function widening(reader: TensorReader, dtype: FloatDtype, workspace: Workspace): TensorReader {
  const itemBytes = floatBytes(dtype);
  return {
    async fill(target) {
      const step = TILE_BYTES / 4;
      for (let at = 0; at < target.byteLength / 4; at += step) {
        const count = Math.min(step, target.byteLength / 4 - at);
        const narrowPtr = workspace.reserve("narrow", count * itemBytes);
        const widePtr = workspace.reserve("wide", count * 4);
        await reader.fill(workspace.bytes(narrowPtr, count * itemBytes));
        workspace.kernels.convert(dtype, "float32", narrowPtr, widePtr, count);
        target.set(workspace.bytes(widePtr, count * 4), at * 4);
      }
    },
  };
}

interface Pieces {
  readonly tileElements: number;
  next(
    start: number,
    elementCount: number,
  ): Promise<{
    readonly floats: Float32Array;
    readonly piece?: DecodedPiece;
  }>;
}

async function openPieces(
  tensor: StoredTensor,
  model: StoredModel,
  workspace: Workspace,
): Promise<Pieces> {
  if (tensor.kind === "plain") {
    const reader = await openValues(tensor, model, workspace);
    return {
      tileElements: TILE_BYTES / 4,
      async next(_, elementCount) {
        const floats = new Float32Array(elementCount);
        await reader.fill(new Uint8Array(floats.buffer));
        return { floats };
      },
    };
  }
  const { weight } = tensor;
  const source = new DecodedSource(weight, await weight.scales(), workspace, "float32");
  return {
    tileElements: source.pieceElements,
    async next(start, elementCount) {
      const piece = await source.piece(start, elementCount);
      const floats = new Float32Array(piece.bytes.buffer, piece.bytes.byteOffset, elementCount);
      return { floats, piece };
    },
  };
}

export function shapeOf(tensor: StoredTensor): readonly number[] {
  return tensor.kind === "plain" ? tensor.entry.shape : tensor.weight.shape;
}

function isComparable(tensor: StoredTensor): boolean {
  return tensor.kind === "quantized" || isFloat(tensor.entry.dtype);
}

/** One side is quantized and the other not, of a module that the quantized form transposes. */
function isTransposed(original: StoredTensor, restored: StoredTensor, layers: LayerRules): boolean {
  const { length } = shapeOf(original);
  return (
    original.kind !== restored.kind &&
    length === 2 &&
    layers.kindOf(nameOf(original), length) === "conv1d"
  );
}

function checkShapes(original: StoredTensor, restored: StoredTensor, transposed: boolean): void {
  const shape = [...shapeOf(original)];
  if (transposed) shape.reverse();
  if (shape.join() === shapeOf(restored).join()) return;
  throw new PlanError(
    `tensor ${quoted(nameOf(original))}: its shape is [${shapeOf(original).join(", ")}] in one ` +
      `checkpoint and [${shapeOf(restored).join(", ")}] in the other; these are different models`,
  );
}
