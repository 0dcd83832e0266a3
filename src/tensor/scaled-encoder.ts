/** Encodes the families that divide by a scale: affine integers and block floats. */

import { type FloatDtype, floatBytes } from "../foundation/dtype.ts";
import { NonFiniteError } from "../foundation/errors.ts";
import type { ScaleRuns } from "../kernels/kernel-set.ts";
import { type AffineScheme, type FloatScheme, schemeOf } from "../schemes/registry.ts";
import { AffineScaleCoder, NestedScaleCoder } from "./affine-scale-coders.ts";
import { ChunkSampler } from "./chunk-sampler.ts";
import { codeBytesOf } from "./code-bytes.ts";
import { type Encoded, type EncodeJob, type Encoder, TileSlots, tileBudget } from "./encoder.ts";
import { FloatScaleCoder } from "./float-scale-coder.ts";
import type { AffineCoding, FloatCoding } from "./options.ts";
import type { ScaleCoder, ScalePlaces } from "./scale-coder.ts";
import { ScaleGrid } from "./scale-grid.ts";
import type { Workspace } from "./workspace.ts";

/** Room in front of the codes for one that the last tile left over; a multiple of 16, for alignment. */
const CARRY_BYTES = 16;

export interface ScaledJob extends EncodeJob {
  readonly coding: AffineCoding | FloatCoding;
}

/** Whether every tile must be seen before the first can be encoded. */
export function observesTensor({ coding, dtype, shape }: ScaledJob): boolean {
  const grid = new ScaleGrid(shape, coding);
  if (grid.elementCount <= tileBudget(dtype)) return false;
  const scheme = schemeOf(coding.quantType) as AffineScheme | FloatScheme;
  const hasTensorScale = scheme.family === "float" && scheme.scale === "e4m3";
  return hasTensorScale || !isLocal(grid, dtype);
}

/** Whether the scales of a tile follow from the tile alone. */
function isLocal(grid: ScaleGrid, dtype: FloatDtype): boolean {
  // Without a tile there is nothing that a scale could follow from: all are those of zeros.
  if (grid.elementCount === 0) return false;
  const isOneTile = grid.elementCount <= tileBudget(dtype);
  return grid.isContiguous && (isOneTile || grid.runLength <= tileBudget(dtype));
}

export class ScaledEncoder implements Encoder {
  readonly observes: boolean;
  readonly #workspace: Workspace;
  readonly #job: ScaledJob;
  readonly #scheme: AffineScheme | FloatScheme;
  readonly #grid: ScaleGrid;
  readonly #coder: ScaleCoder;
  readonly #slots: TileSlots;
  readonly #places: ScalePlaces;
  /** Every run of a tile has a scale of its own, which follows from the tile alone. */
  readonly #isLocal: boolean;
  /** Elements that a tile holds at most. */
  readonly #budget: number;
  readonly #sampler: ChunkSampler | undefined;
  #observed = 0;
  #encoded = 0;
  #scalesAreKnown = false;
  /** The last code of a tile that ended in the middle of a byte. */
  #halfByte: number | undefined;

  constructor(workspace: Workspace, job: ScaledJob) {
    const { coding, dtype, shape } = job;
    this.#workspace = workspace;
    this.#job = job;
    this.#scheme = schemeOf(coding.quantType) as AffineScheme | FloatScheme;
    const grid = new ScaleGrid(shape, coding);
    this.#grid = grid;
    this.#coder = this.#newCoder();

    this.#isLocal = isLocal(grid, dtype);
    this.observes = observesTensor(job);
    this.#budget = Math.max(
      tileBudget(dtype),
      this.#isLocal ? grid.runLength * this.#coder.group : 0,
    );
    const elements = Math.min(this.#budget, grid.elementCount);
    // Behind the codes of a tile there is room for half a byte that the one before left over.
    const codeBytes = codeBytesOf(coding.quantType, elements) + 1;
    this.#slots = new TileSlots(workspace, floatBytes(dtype), elements, codeBytes);
    if (dtype !== "float32") workspace.reserve("floats", elements * 4);
    if (this.#scheme.bits === 4) workspace.reserve("wide codes", elements + CARRY_BYTES);

    // A tile may begin within a row, and so hold a run more than the first does.
    const scaleCount = this.#isLocal ? grid.runCount(0, elements) + 2 : grid.scaleCount;
    const reserve = (name: string) => workspace.reserve(name, Math.max(1, scaleCount) * 4);
    const hasZeroPoint = coding.family === "affine" && !coding.symmetric;
    this.#places = {
      min: reserve("min"),
      max: reserve("max"),
      scale: reserve("scale"),
      zeroPoint: hasZeroPoint ? reserve("zero point") : 0,
    };
    this.#clearRanges(scaleCount);
    const { min, max } = this.#tensorRange();
    workspace.floats(min, 1).fill(0);
    workspace.floats(max, 1).fill(0);
    const whole = job.part?.elementCount ?? grid.elementCount;
    this.#sampler = job.measureError === true ? new ChunkSampler(whole) : undefined;
    if (this.#sampler !== undefined) workspace.reserve("restored", elements * 4);
  }

  tileAt(start: number): number {
    const { elementCount, runLength } = this.#grid;
    const left = elementCount - start;
    if (!this.#isLocal || left <= this.#budget) return Math.min(this.#budget, left);
    const { group } = this.#coder;
    const groups = Math.max(1, Math.floor(this.#budget / (runLength * group)));
    return this.#grid.startOf(this.#grid.runOf(start) + groups * group) - start;
  }

  input(slot: 0 | 1, elementCount: number): Uint8Array<ArrayBuffer> {
    return this.#slots.input(slot, elementCount);
  }

  observe(slot: 0 | 1, elementCount: number): void {
    const valuesPtr = this.#floatsAt(slot, elementCount);
    this.#measure(valuesPtr, elementCount, this.#observed);
    this.#observed += elementCount;
  }

  encode(slot: 0 | 1, elementCount: number): Uint8Array<ArrayBuffer> {
    const start = this.#encoded;
    const valuesPtr = this.#floatsAt(slot, elementCount);
    const runs = this.#runsWithScales(valuesPtr, start, elementCount);
    const codesPtr = this.#quantize(slot, valuesPtr, elementCount, runs);
    this.#sample(valuesPtr, codesPtr, start, elementCount, runs);
    this.#encoded += elementCount;
    return this.#stored(slot, codesPtr, elementCount);
  }

  finish(): Encoded {
    // A tensor without elements has had no tile; its scales are those of zeros.
    if (!this.#isLocal && !this.#scalesAreKnown) this.#codeKnown();
    const scales = this.#coder.finish();
    if (this.#sampler === undefined) return { scales };
    return this.#job.part === undefined
      ? { scales, error: this.#sampler.finish() }
      : { scales, sums: { of: "chunks", ...this.#sampler.sums() } };
  }

  #newCoder(): ScaleCoder {
    const { coding, tensor, scaleDtype } = this.#job;
    const scheme = this.#scheme;
    const { scaleCount } = this.#grid;
    if (scheme.family === "float") {
      const { format, scale } = scheme;
      return new FloatScaleCoder(this.#workspace, format, scale, scaleCount, tensor);
    }
    const { symmetric, doubleQuant } = coding as AffineCoding;
    const common = [this.#workspace, scheme.format, symmetric, scaleCount, tensor] as const;
    return doubleQuant
      ? new NestedScaleCoder(...common)
      : new AffineScaleCoder(...common, scaleDtype);
  }

  #floatsAt(slot: 0 | 1, elementCount: number): number {
    const { values } = this.#slots.at(slot);
    const { dtype } = this.#job;
    if (dtype === "float32") return values;
    const target = this.#workspace.reserve("floats", elementCount * 4);
    this.#workspace.kernels.convert(dtype, "float32", values, target, elementCount);
    return target;
  }

  /** Widens the ranges that must be known before the first code. */
  #measure(valuesPtr: number, elementCount: number, start: number): void {
    if (!this.#coder.needsTensorRange) {
      this.#range(valuesPtr, elementCount, start, this.#places, this.#grid.runsAt(start));
      return;
    }
    const runs = new ScaleGrid([this.#grid.elementCount], { granularity: "tensor" }).runsAt(start);
    this.#range(valuesPtr, elementCount, start, this.#tensorRange(), runs);
  }

  /** @throws NonFiniteError */
  #range(
    valuesPtr: number,
    elementCount: number,
    start: number,
    { min, max }: Pick<ScalePlaces, "min" | "max">,
    runs: ScaleRuns,
  ): void {
    const allFinite = this.#workspace.kernels.range(valuesPtr, min, max, elementCount, runs);
    if (allFinite || this.#job.allowNonFinite === true) return;
    const values = this.#workspace.floats(valuesPtr, elementCount);
    const at = values.findIndex((value) => !Number.isFinite(value));
    const { tensor, file, part } = this.#job;
    const index = (part?.start ?? 0) + start + at;
    throw new NonFiniteError(tensor, index, values[at] as number, false, file);
  }

  /** Sees to it that the scales of a tile are known; how they lie over it. */
  #runsWithScales(valuesPtr: number, start: number, elementCount: number): ScaleRuns {
    const grid = this.#grid;
    const isAlone = !this.observes && (this.#coder.needsTensorRange || !this.#isLocal);
    if (isAlone) this.#measure(valuesPtr, elementCount, start);
    if (!this.#scalesAreKnown) this.#codeKnown();
    if (!this.#isLocal) return grid.runsAt(start);
    const scaleCount = grid.runCount(start, start + elementCount);
    const runs = grid.localRunsAt(start, scaleCount);
    this.#clearRanges(scaleCount);
    this.#range(valuesPtr, elementCount, start, this.#places, runs);
    this.#coder.code(this.#places, grid.runOf(start), scaleCount);
    return runs;
  }

  /** What follows from the statistics of the whole tensor. */
  #codeKnown(): void {
    this.#scalesAreKnown = true;
    if (this.#coder.needsTensorRange) {
      const { min, max } = this.#tensorRange();
      const [lowest] = this.#workspace.floats(min, 1);
      const [highest] = this.#workspace.floats(max, 1);
      this.#coder.setTensorRange(lowest as number, highest as number);
    }
    if (!this.#isLocal) this.#coder.code(this.#places, 0, this.#grid.scaleCount);
  }

  #tensorRange(): { readonly min: number; readonly max: number } {
    return {
      min: this.#workspace.reserve("tensor min", 4),
      max: this.#workspace.reserve("tensor max", 4),
    };
  }

  #clearRanges(scaleCount: number): void {
    this.#workspace.floats(this.#places.min, scaleCount).fill(0);
    this.#workspace.floats(this.#places.max, scaleCount).fill(0);
  }

  /** @returns where the codes are, one a byte */
  #quantize(slot: 0 | 1, valuesPtr: number, elementCount: number, runs: ScaleRuns): number {
    const { kernels } = this.#workspace;
    const scheme = this.#scheme;
    const { scale, zeroPoint } = this.#places;
    const codesPtr =
      scheme.bits === 8
        ? this.#slots.at(slot).codes
        : this.#workspace.reserve("wide codes", elementCount + CARRY_BYTES) + CARRY_BYTES;
    if (scheme.family === "affine") {
      const places = [valuesPtr, scale, zeroPoint, codesPtr] as const;
      kernels.quantizeAffine(scheme.format, ...places, elementCount, runs);
    } else {
      kernels.quantizeFloat(scheme.format, valuesPtr, scale, codesPtr, elementCount, runs);
    }
    return codesPtr;
  }

  #sample(
    valuesPtr: number,
    codesPtr: number,
    start: number,
    elementCount: number,
    runs: ScaleRuns,
  ): void {
    const first = (this.#job.part?.start ?? 0) + start;
    if (this.#sampler?.wants(first, first + elementCount) !== true) return;
    const { kernels } = this.#workspace;
    const scheme = this.#scheme;
    const { scale, zeroPoint } = this.#places;
    const restoredPtr = this.#workspace.reserve("restored", elementCount * 4);
    if (scheme.family === "affine") {
      const places = [codesPtr, scale, zeroPoint, restoredPtr] as const;
      kernels.dequantizeAffine(scheme.format, ...places, elementCount, runs);
    } else {
      kernels.dequantizeFloat(scheme.format, codesPtr, scale, restoredPtr, elementCount, runs);
    }
    const values = this.#workspace.floats(valuesPtr, elementCount);
    this.#sampler.add(first, values, this.#workspace.floats(restoredPtr, elementCount));
  }

  /** The codes as they are stored: packed at 4 bits, maybe without a sign. */
  #stored(slot: 0 | 1, codesPtr: number, elementCount: number): Uint8Array<ArrayBuffer> {
    const workspace = this.#workspace;
    const { codes: target } = this.#slots.at(slot);
    const { bits } = this.#scheme;
    if (bits === 8) {
      const codes = workspace.bytes(target, elementCount);
      if (this.#job.offsetCodes === true) flipBits(codes, 0x80);
      return codes;
    }
    let from = codesPtr;
    let count = elementCount;
    if (this.#halfByte !== undefined) {
      from--;
      count++;
      workspace.bytes(from, 1)[0] = this.#halfByte;
      this.#halfByte = undefined;
    }
    const isLast = this.#encoded === this.#grid.elementCount;
    if (count % 2 === 1 && !isLast) {
      count--;
      this.#halfByte = workspace.bytes(from + count, 1)[0] as number;
    }
    workspace.kernels.packNibbles(from, target, count);
    const packed = workspace.bytes(target, Math.ceil(count / 2));
    if (this.#job.offsetCodes === true) flipBits(packed, 0x88);
    return packed;
  }
}

/** Adds half of the codes' range to each of them: −8 … 7 becomes 0 … 15. */
function flipBits(codes: Uint8Array, bits: number): void {
  const words = new Uint32Array(codes.buffer, codes.byteOffset, codes.byteLength >> 2);
  const mask = bits * 0x01010101;
  for (let i = 0; i < words.length; i++) words[i] = (words[i] as number) ^ mask;
  for (let i = words.byteLength; i < codes.length; i++) codes[i] = (codes[i] as number) ^ bits;
}
