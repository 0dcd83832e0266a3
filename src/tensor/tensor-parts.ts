/**
 * Splits a tensor into parts that can be encoded one by one, anywhere, and puts what comes out
 * together: the same codes and scales as one encoder gives.
 */

import { floatBytes } from "../foundation/dtype.ts";
import { elementCountOf } from "../foundation/shape.ts";
import { ErrorSampler, type QuantizationError } from "../metrics/quantization-error.ts";
import { schemeOf } from "../schemes/registry.ts";
import { ChunkSampler } from "./chunk-sampler.ts";
import type { Encoded, EncodedScales, EncodeJob, ErrorSums } from "./encoder.ts";
import { GrowingArray } from "./growing-array.ts";
import { nestAbsmax, unnestAbsmax } from "./nested-absmax.ts";
import { readsTwice } from "./new-encoder.ts";
import type { CodebookCoding, Coding } from "./options.ts";
import { ScaleGrid } from "./scale-grid.ts";
import { TILE_BYTES, type Workspace } from "./workspace.ts";

/** How a tensor is cut. */
export interface Cut {
  /** Elements of every part but the last. */
  readonly partElements: number;
  /** The job of the part that begins at element `start`. */
  jobAt(start: number): EncodeJob;
}

/**
 * Cuts into parts of about `partBytes` of weights.
 *
 * Undefined for a tensor that must stay whole: its scales need a statistic of all of it, or its
 * blocks begin anew at rows that no part could begin with.
 */
export function cutOf(job: EncodeJob, partBytes = TILE_BYTES): Cut | undefined {
  const elementCount = elementCountOf(job.shape);
  const pieces = piecesOf(job);
  if (pieces === undefined || elementCount === 0) return undefined;
  const { unit, shapeOf } = pieces;
  // Parts of 4-bit codes are whole bytes.
  const step = unit % 2 === 0 ? unit : 2 * unit;
  const partElements = Math.max(1, Math.floor(partBytes / floatBytes(job.dtype) / step)) * step;
  const coding = withoutNesting(job.coding);
  return {
    partElements,
    jobAt(start) {
      const count = Math.min(partElements, elementCount - start);
      return { ...job, coding, shape: shapeOf(count), part: { start, elementCount } };
    },
  };
}

interface Pieces {
  /** Parts are multiples of this many elements. */
  readonly unit: number;
  /** The shape of a part, which has its blocks where the tensor has them. */
  readonly shapeOf: (elementCount: number) => readonly number[];
}

/** Elements of a part at most, where rows dictate its size. */
const LARGEST_UNIT = 1 << 22;

function piecesOf(job: EncodeJob): Pieces | undefined {
  const { coding, shape } = job;
  const flat = (elementCount: number) => [elementCount];
  if (coding.family === "codebook") return { unit: coding.blockSize, shapeOf: flat };
  const rowLength = shape.at(-1) ?? 1;
  const rows = (elementCount: number) => [elementCount / rowLength, rowLength];
  if (coding.family === "rows") return { unit: rowLength, shapeOf: rows };
  if (readsTwice(job)) return undefined;
  const grid = new ScaleGrid(shape, coding);
  if (coding.granularity === "channel") {
    if (coding.axis !== 0 || grid.rowLength > LARGEST_UNIT) return undefined;
    const channels = (elementCount: number) => [elementCount / grid.rowLength, grid.rowLength];
    return { unit: grid.rowLength, shapeOf: channels };
  }
  const scheme = schemeOf(coding.quantType);
  if (coding.granularity === "tensor" || (scheme.family === "float" && scheme.scale === "e4m3")) {
    return undefined;
  }
  const group = coding.family === "affine" && coding.doubleQuant ? 256 : 1;
  const isOneRow = grid.rowLength === grid.elementCount;
  if (isOneRow || grid.rowLength % grid.runLength === 0) {
    return { unit: grid.runLength * group, shapeOf: flat };
  }
  const runsPerRow = Math.ceil(grid.rowLength / grid.runLength);
  const unit = grid.rowLength * (group / greatestCommonDivisor(group, runsPerRow));
  return unit <= LARGEST_UNIT ? { unit, shapeOf: rows } : undefined;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** A codebook's absmax is nested when all of it is there: its offset is their mean. */
function withoutNesting(coding: Coding): Coding {
  return coding.family === "codebook" ? { ...coding, doubleQuant: false } : coding;
}

/** Takes the scales of parts, in any order, and ends as an encoder of the whole tensor does. */
export class TensorAssembler {
  readonly #workspace: Workspace;
  readonly #job: EncodeJob;
  readonly #elementCount: number;
  readonly #parts = new Map<string, Assembled>();
  readonly #blocks: ErrorSampler | undefined;
  readonly #chunks: ChunkSampler | undefined;

  constructor(workspace: Workspace, job: EncodeJob) {
    this.#workspace = workspace;
    this.#job = job;
    this.#elementCount = elementCountOf(job.shape);
    if (job.measureError !== true) return;
    const { coding } = job;
    if (coding.family === "affine" || coding.family === "float") {
      this.#chunks = new ChunkSampler(this.#elementCount);
    } else {
      const blockSize = this.#blockSize;
      this.#blocks = new ErrorSampler(Math.ceil(this.#elementCount / blockSize), blockSize);
    }
  }

  /** @param start the part's first element */
  add(start: number, scales: EncodedScales, sums: ErrorSums | undefined): void {
    const first = this.#firstScale(start);
    switch (scales.family) {
      case "codebook":
        this.#put("absmax", scales.absmax, first);
        break;
      case "rows":
        this.#put("scb", scales.scb, first);
        break;
      case "affine":
        this.#put("scale", scales.scale, first);
        if (scales.zeroPoint !== undefined) this.#put("zeroPoint", scales.zeroPoint, first);
        if (scales.nested !== undefined) {
          this.#put("ranges", scales.nested.ranges, (2 * first) / scales.nested.blockSize);
        }
        break;
      case "float":
        this.#put("scale", scales.scale, first);
    }
    if (sums?.of === "blocks") this.#blocks?.merge(sums);
    if (sums?.of === "chunks") this.#chunks?.merge(sums);
  }

  finish(): Encoded {
    const { coding } = this.#job;
    const error = this.#chunks?.finish();
    const values = (name: string) => this.#parts.get(name)?.values as Float32Array;
    switch (coding.family) {
      case "codebook":
        return this.#finishCodebook(coding, values("absmax"));
      case "rows": {
        const scb = values("scb");
        return {
          scales: { family: "rows", scb },
          ...this.#blockError((row) => scb[row] as number),
        };
      }
      case "affine": {
        const zeroPoint = coding.symmetric ? {} : { zeroPoint: values("zeroPoint") };
        const nested = coding.doubleQuant
          ? { nested: { blockSize: 256, ranges: values("ranges") } }
          : {};
        const scales = {
          family: "affine" as const,
          scale: values("scale"),
          ...zeroPoint,
          ...nested,
        };
        return error === undefined ? { scales } : { scales, error };
      }
      case "float": {
        const scales = { family: "float" as const, scale: values("scale") };
        return error === undefined ? { scales } : { scales, error };
      }
    }
  }

  #finishCodebook(coding: CodebookCoding, absmax: Float32Array): Encoded {
    if (!coding.doubleQuant) {
      const error = this.#blockError((block) => absmax[block] as number);
      return { scales: { family: "codebook", absmax }, ...error };
    }
    const { nestedOffset } = this.#job;
    const { codes, nested } = nestAbsmax(this.#workspace, coding.mode, absmax, nestedOffset);
    const scaleOf = (block: number) => unnestAbsmax(codes, nested, block, block + 1)[0] as number;
    return { scales: { family: "codebook", absmax: codes, nested }, ...this.#blockError(scaleOf) };
  }

  #blockError(scaleOf: (block: number) => number): { error?: QuantizationError } {
    return this.#blocks === undefined ? {} : { error: this.#blocks.finish(scaleOf) };
  }

  get #blockSize(): number {
    const { coding, shape } = this.#job;
    return coding.family === "codebook" ? coding.blockSize : Math.max(1, shape[1] ?? 1);
  }

  #firstScale(start: number): number {
    const { coding, shape } = this.#job;
    if (coding.family === "affine" || coding.family === "float") {
      return new ScaleGrid(shape, coding).runOf(start);
    }
    return start / this.#blockSize;
  }

  #put(name: string, values: Float32Array | Uint8Array | Int8Array, at: number): void {
    let array = this.#parts.get(name);
    if (array === undefined) {
      array = new GrowingArray(makerOf(values), this.#finalLength(name), this.#job.tensor);
      this.#parts.set(name, array);
    }
    array.set(values, at);
  }

  #finalLength(name: string): number {
    const { coding, shape } = this.#job;
    if (coding.family === "codebook" || coding.family === "rows") {
      return Math.ceil(this.#elementCount / this.#blockSize);
    }
    const { scaleCount } = new ScaleGrid(shape, coding);
    return name === "ranges" ? 2 * Math.ceil(scaleCount / 256) : scaleCount;
  }
}

type Numbers = Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer> | Int8Array<ArrayBuffer>;
type Assembled = GrowingArray<Numbers>;

function makerOf(values: ArrayBufferView): (length: number) => Numbers {
  if (values instanceof Float32Array) return (length) => new Float32Array(length);
  if (values instanceof Int8Array) return (length) => new Int8Array(length);
  return (length) => new Uint8Array(length);
}
