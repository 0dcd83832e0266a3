/** How scales lie over a tensor, and where a walk over it may stop. */

import { ArgumentError } from "../foundation/errors.ts";
import { elementCountOf } from "../foundation/shape.ts";
import type { ScaleRuns } from "../kernels/kernel-set.ts";
import type { Granularity } from "./quantized-tensor.ts";

export interface Grain {
  readonly granularity: Granularity;
  /** The axis of the channels; counted from the end when negative. */
  readonly axis?: number;
  readonly blockSize?: number;
}

/** Runs of consecutive elements with one scale each; `ScaleRuns` says how rows cut them. */
export class ScaleGrid {
  readonly elementCount: number;
  readonly rowLength: number;
  readonly runLength: number;
  /** Scales of the tensor. */
  readonly scaleCount: number;
  /** Shape of the tensor of scales: [], [channels], or [..., rows, blocks of a row]. */
  readonly scaleShape: readonly number[];
  /** A scale's elements lie together: no other run has it. */
  readonly isContiguous: boolean;
  readonly #runsPerRow: number;

  /** @throws ArgumentError for an axis that the shape lacks */
  constructor(shape: readonly number[], { granularity, axis = 0, blockSize = 0 }: Grain) {
    const elementCount = elementCountOf(shape);
    this.elementCount = elementCount;
    if (granularity === "block") {
      this.rowLength = shape.at(-1) ?? 1;
      this.runLength = blockSize;
      const rows = this.rowLength === 0 ? 0 : elementCount / this.rowLength;
      this.#runsPerRow = Math.ceil(this.rowLength / blockSize);
      this.scaleCount = rows * this.#runsPerRow;
      this.scaleShape = [...shape.slice(0, -1), this.#runsPerRow];
      this.isContiguous = true;
      return;
    }
    this.#runsPerRow = 1;
    if (granularity === "tensor") {
      this.rowLength = elementCount;
      this.scaleCount = 1;
      this.scaleShape = [];
      this.isContiguous = true;
    } else {
      const at = axis < 0 ? axis + shape.length : axis;
      const channels = shape[at];
      if (channels === undefined || at < 0) {
        const axes =
          shape.length === 0 ? "none for a scalar" : `${-shape.length} to ${shape.length - 1}`;
        throw new ArgumentError("axis", axes, axis);
      }
      this.rowLength = elementCountOf(shape.slice(at + 1));
      this.scaleCount = channels;
      this.scaleShape = [channels];
      this.isContiguous = elementCountOf(shape.slice(0, at)) <= 1;
    }
    this.runLength = this.rowLength;
  }

  /** The kernel's view of a call that begins at element `start`, with all scales at hand. */
  runsAt(start: number): ScaleRuns {
    const { rowLength, runLength, scaleCount } = this;
    return {
      rowLength,
      runLength,
      startColumn: rowLength === 0 ? 0 : start % rowLength,
      firstScale: scaleCount === 0 ? 0 : this.runOf(start) % scaleCount,
      scaleCount,
    };
  }

  /** The same with only the scales of the runs from `start` on at hand. */
  localRunsAt(start: number, scaleCount: number): ScaleRuns {
    return { ...this.runsAt(start), firstScale: 0, scaleCount };
  }

  /** The run that element `start` lies in, counted over the whole tensor. */
  runOf(start: number): number {
    const { rowLength, runLength } = this;
    if (rowLength === 0) return 0;
    const row = Math.floor(start / rowLength);
    return row * this.#runsPerRow + Math.floor((start - row * rowLength) / runLength);
  }

  /** First element of a run. */
  startOf(run: number): number {
    const row = Math.floor(run / this.#runsPerRow);
    const column = (run - row * this.#runsPerRow) * this.runLength;
    return Math.min(this.elementCount, row * this.rowLength + column);
  }

  /** Runs that the elements from `start` to `end` touch. */
  runCount(start: number, end: number): number {
    return end > start ? this.runOf(end - 1) - this.runOf(start) + 1 : 0;
  }
}
