/** Ways to lay scales over a tensor, as ONNX says it and as the kernels do. */

import type { ScaleRuns } from "../../src/kernels/kernel-set.ts";
import type { Cut } from "./onnx-runtime.ts";

/** Consecutive elements that one kernel call takes, and the first of their scales. */
export interface Call {
  readonly from: number;
  readonly to: number;
  readonly firstScale: number;
  readonly runs: ScaleRuns;
}

export interface Layout {
  readonly name: string;
  readonly shape: readonly number[];
  readonly cut: Cut;
  readonly scaleShape: readonly number[];
  readonly calls: readonly Call[];
}

const product = (lengths: readonly number[]) => lengths.reduce((a, b) => a * b, 1);

export function countsOf({ shape, scaleShape }: Layout): [elements: number, scales: number] {
  return [product(shape), product(scaleShape)];
}

function oneCall(shape: readonly number[], runLength: number, scaleCount: number): Call {
  const rowLength = Math.max(runLength, 1);
  const runs = { rowLength, runLength, startColumn: 0, firstScale: 0, scaleCount };
  return { from: 0, to: product(shape), firstScale: 0, runs };
}

function perTensor(shape: readonly number[]): Layout {
  const calls = [oneCall(shape, product(shape), 1)];
  return { name: "per tensor", shape, cut: { axis: 0 }, scaleShape: [], calls };
}

function perAxis(shape: readonly number[], axis: number): Layout {
  const length = shape[axis] as number;
  const calls = [oneCall(shape, product(shape.slice(axis + 1)), length)];
  return { name: `axis ${axis} of ${shape}`, shape, cut: { axis }, scaleShape: [length], calls };
}

/** Blocks of consecutive elements: the kernels' own layout. */
function alongRows(rows: number, columns: number, blockSize: number): Layout {
  const perRow = Math.ceil(columns / blockSize);
  const { to } = oneCall([rows, columns], 1, 1);
  const runs = {
    rowLength: columns,
    runLength: blockSize,
    startColumn: 0,
    firstScale: 0,
    scaleCount: rows * perRow,
  };
  return {
    name: `blocks of ${blockSize} in rows of ${columns}`,
    shape: [rows, columns],
    cut: { axis: 1, blockSize },
    scaleShape: [rows, perRow],
    calls: [{ from: 0, to, firstScale: 0, runs }],
  };
}

/** Blocks of a column: a call for each group of rows, with a scale a column. */
function alongColumns(rows: number, columns: number, blockSize: number): Layout {
  const groups = Math.ceil(rows / blockSize);
  const calls = Array.from({ length: groups }, (_, group) => ({
    ...oneCall([rows, columns], 1, columns),
    from: group * blockSize * columns,
    to: Math.min((group + 1) * blockSize, rows) * columns,
    firstScale: group * columns,
  }));
  return {
    name: `blocks of ${blockSize} in columns of ${rows}`,
    shape: [rows, columns],
    cut: { axis: 0, blockSize },
    scaleShape: [groups, columns],
    calls,
  };
}

/** No two scales within a byte of 4-bit codes, and no byte with one code only. */
export const EVEN_LAYOUTS: readonly Layout[] = [
  perTensor([9, 46]),
  perAxis([3, 5, 22], 1),
  perAxis([12, 64], 0),
  alongRows(6, 128, 32),
  alongRows(6, 100, 32),
];

const ODD_LAYOUTS: readonly Layout[] = [
  perTensor([9, 45]),
  perAxis([9, 45], 0),
  alongRows(5, 37, 16),
];

/** A scale a column. */
export const LAST_AXIS: Layout = perAxis([9, 45], 1);

export const COLUMN_BLOCKS: readonly Layout[] = [
  alongColumns(64, 24, 32),
  alongColumns(20, 33, 16),
];

export const LAYOUTS: readonly Layout[] = [
  ...EVEN_LAYOUTS,
  ...ODD_LAYOUTS,
  LAST_AXIS,
  ...COLUMN_BLOCKS,
];
