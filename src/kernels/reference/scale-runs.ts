/** The runs of a call, one by one. */

import type { ScaleRuns } from "../kernel-set.ts";

export interface Run {
  /** First element of the call, and how many. */
  readonly at: number;
  readonly count: number;
  /** Which scale they have. */
  readonly scale: number;
}

export function* runsOf(elementCount: number, runs: ScaleRuns): Generator<Run> {
  const { rowLength, runLength, firstScale, scaleCount } = runs;
  let column = runs.startColumn;
  for (let at = 0, run = 0; at < elementCount; run++) {
    const runEnd = (Math.floor(column / runLength) + 1) * runLength;
    const count = Math.min(Math.min(runEnd, rowLength) - column, elementCount - at);
    yield { at, count, scale: (firstScale + run) % scaleCount };
    at += count;
    column += count;
    if (column === rowLength) column = 0;
  }
}
