/** Looks at samples of a compared model: where levels lie, and what other schemes would do. */

import { native } from "../checkpoint/layouts/native.ts";
import { variantsOf } from "../checkpoint/size-table/variants.ts";
import { openValues, shapeOf } from "../checkpoint/stored/compare.ts";
import { DecodedSource } from "../checkpoint/stored/decoded-source.ts";
import { nameOf, type StoredModel, type StoredTensor } from "../checkpoint/stored/stored-model.ts";
import { describeCoding, elementsOf } from "../checkpoint/stored/stored-size.ts";
import type { KernelChoice } from "../kernels/kernel-set.ts";
import { Histogram, type HistogramCounts } from "../metrics/histogram.ts";
import { schemeOf } from "../schemes/registry.ts";
import { codeFactsOf } from "../tensor/code-facts.ts";
import { dequantize } from "../tensor/dequantize.ts";
import { type CodingOptions, codingOf } from "../tensor/options.ts";
import { quantize } from "../tensor/quantize.ts";
import type { Workspace } from "../tensor/workspace.ts";

/** Weights of one tensor, and the values that a stored weight of a typical block can have. */
export interface LevelHistogram {
  readonly tensor: string;
  readonly storedAs: string;
  readonly counts: HistogramCounts;
  /** At scale 1 and the median zero point, ascending. */
  readonly levels: readonly number[];
  /** The median scale. */
  readonly scale: number;
}

/** What one scheme costs and keeps. */
export interface SchemePoint {
  readonly scheme: string;
  /** Stored bits of a weight, those of scales too. */
  readonly bitsPerWeight: number;
  /** √(Σ(w − w')² / Σw²). */
  readonly relativeRms: number;
}

const BINS = 120;

/** Undefined for a tensor that is not quantized, or empty. */
export async function levelHistogram(
  [original, restored]: readonly [StoredTensor, StoredTensor],
  models: readonly [StoredModel, StoredModel],
  workspaces: readonly [Workspace, Workspace],
  signal: AbortSignal | undefined,
): Promise<LevelHistogram | undefined> {
  const elementCount = elementsOf(original);
  if (restored.kind === "plain" || elementCount === 0) return undefined;
  const { weight } = restored;
  const stored = await weight.scales();
  const source = new DecodedSource(weight, stored, workspaces[1], "float32");
  const piece = await source.piece(0, Math.min(source.pieceElements, elementCount));
  const scales: number[] = [];
  piece.eachScale((_from, _to, scale) => scales.push(Math.abs(scale)));
  const scale = median(scales) ?? 1;
  const zeroPoint = median("zeroPoint" in stored ? (stored.zeroPoint ?? []) : []) ?? 0;
  const levels = codeFactsOf(weight.coding.quantType).levels.map((level) => level - zeroPoint);
  const end = Math.max(Math.abs(levels[0] ?? 1), Math.abs(levels.at(-1) ?? 1)) * scale;
  const range = end > 0 && Number.isFinite(2 * end) ? { lowest: -2 * end, highest: 2 * end } : UNIT;
  const histogram = new Histogram(range, BINS);
  const reader = await openValues(original, models[0], workspaces[0]);
  const tile = new Float32Array(Math.min(elementCount, SAMPLE_ELEMENTS));
  for (let start = 0; start < elementCount; start += tile.length) {
    signal?.throwIfAborted();
    const part = tile.subarray(0, Math.min(tile.length, elementCount - start));
    await reader.fill(new Uint8Array(part.buffer, 0, part.byteLength));
    histogram.add(part);
  }
  const storedAs = weight.coding.quantType;
  return { tensor: nameOf(original), storedAs, counts: histogram.counts(), levels, scale };
}

const UNIT = { lowest: -1, highest: 1 };

/** Of the finite numbers; the upper one of two in the middle. */
function median(numbers: ArrayLike<number>): number | undefined {
  const sorted = Float64Array.from(numbers).filter(Number.isFinite).sort();
  return sorted[sorted.length >> 1];
}

/** Elements of a sampled tensor, and sampled tensors, at most. */
const SAMPLE_ELEMENTS = 1 << 18;
const SAMPLED_TENSORS = 12;

/**
 * Every scheme as `quantwise plan` lists it, and INT4 in other blocks. Unsigned integers are left
 * out: they are where the signed ones are.
 */
function candidates(): CodingOptions[] {
  const listed = variantsOf({}, false).filter(({ quantType }) => {
    const scheme = schemeOf(quantType);
    return scheme.family !== "affine" || scheme.format.signed;
  });
  return [
    ...listed,
    { quantType: "int4", symmetric: true, doubleQuant: false },
    { quantType: "int4", blockSize: 32, doubleQuant: false },
    { quantType: "int4", blockSize: 128, doubleQuant: false },
  ];
}

export interface SampleOptions {
  readonly signal?: AbortSignal | undefined;
  readonly kernels?: KernelChoice | undefined;
}

/** Quantizes samples of the weights that the other model holds quantized, in every scheme. */
export async function schemePoints(
  pairs: readonly (readonly [StoredTensor, StoredTensor])[],
  model: StoredModel,
  workspace: Workspace,
  { signal, kernels }: SampleOptions,
): Promise<SchemePoint[]> {
  const weights = pairs.filter(([original, restored]) => {
    return (
      restored.kind === "quantized" && shapeOf(original).length === 2 && elementsOf(original) > 0
    );
  });
  const stride = Math.max(1, Math.ceil(weights.length / SAMPLED_TENSORS));
  const schemes = candidates();
  const sums = schemes.map(() => ({ error: 0, energy: 0, bytes: 0, elements: 0 }));
  for (let i = 0; i < weights.length; i += stride) {
    const sample = await sampleOf((weights[i] as (typeof weights)[number])[0], model, workspace);
    signal?.throwIfAborted();
    for (const [at, options] of schemes.entries()) {
      addPoint(sums[at] as PointSums, sample, options, kernels);
    }
  }
  return schemes.flatMap((options, at) => {
    const { error, energy, bytes, elements } = sums[at] as PointSums;
    if (energy === 0) return [];
    const scheme = describeCoding(codingOf(options));
    return [
      { scheme, bitsPerWeight: (bytes * 8) / elements, relativeRms: Math.sqrt(error / energy) },
    ];
  });
}

interface PointSums {
  error: number;
  energy: number;
  bytes: number;
  elements: number;
}

interface Sample {
  readonly weights: Float32Array;
  readonly shape: readonly [number, number];
}

/** The first rows of a matrix, or what is a sample of the very first one. */
async function sampleOf(
  tensor: StoredTensor,
  model: StoredModel,
  workspace: Workspace,
): Promise<Sample> {
  const [rows, rowLength] = shapeOf(tensor) as readonly [number, number];
  const columns = Math.min(rowLength, SAMPLE_ELEMENTS);
  const wanted = Math.min(rows, Math.floor(SAMPLE_ELEMENTS / columns));
  const weights = new Float32Array(wanted * columns);
  const reader = await openValues(tensor, model, workspace);
  await reader.fill(new Uint8Array(weights.buffer));
  return { weights, shape: [wanted, columns] };
}

function addPoint(
  sums: PointSums,
  { weights, shape }: Sample,
  options: CodingOptions,
  kernels: KernelChoice = "auto",
): void {
  const record = quantize(weights, { ...options, shape, allowNonFinite: true, kernels });
  const restored = dequantize(record, { kernels });
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i] as number;
    const difference = weight - (restored[i] as number);
    if (!Number.isFinite(difference)) continue;
    sums.energy += weight * weight;
    sums.error += difference * difference;
  }
  const weight = { name: "w", dtype: "float32" as const, shape, coding: codingOf(options) };
  for (const { byteLength } of native.outputs(weight, "typical")) sums.bytes += byteLength;
  sums.elements += weights.length;
}
