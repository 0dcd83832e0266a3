/** From activations in kernel memory to products in kernel memory. */

import type { WeightRows } from "../kernels/linear-kernels.ts";
import { sharedWorkspace } from "../tensor/default-workspace.ts";
import type { Activations } from "./activations.ts";
import type { Layout } from "./layout.ts";
import type { LinearMemory } from "./memory.ts";
import { RowDecoder } from "./row-decoder.ts";
import type { KeptColumns, Prepared } from "./weights.ts";

/** Expanded rows and columns that go together: 32 KB of f32. */
const TILE_ROWS = 16;
const TILE_COLUMNS = 512;
/** f32 of a tile of whole rows. */
const DECODED_ELEMENTS = 1 << 16;
/** From as many batch rows on, weights are expanded once for all of them. */
const TILED_BATCH = 3;

/** y[b][r], f32 from `yPtr`: activations times weights, without kept columns. */
export function multiply(
  memory: LinearMemory,
  { form, rowCount, columnCount }: Prepared,
  x: Activations,
  yPtr: number,
): void {
  if (rowCount === 0) return;
  if (form.kind === "resident") {
    if (x.batchCount >= TILED_BATCH) multiplyTiles(memory, form.layout, form.rows, x, yPtr);
    else {
      for (let batch = 0; batch < x.batchCount; batch++) {
        const xPtr = x.ptr + batch * x.stride;
        memory.kernels.dot(form.layout.codes, form.rows, xPtr, yPtr + 4 * batch * rowCount);
      }
    }
    return;
  }
  const decoder = new RowDecoder(sharedWorkspace(form.choice), form.record);
  const tileRows = Math.max(1, Math.min(TILE_ROWS, Math.floor(DECODED_ELEMENTS / columnCount)));
  multiplyRows(memory, { rowCount, columnCount, tileRows }, x, yPtr, (first, count, tilePtr) => {
    const target = memory.floats(tilePtr, (count * x.stride) / 4);
    decoder.decode(first, count, target, x.stride / 4);
  });
}

/** The same with activations of one byte. */
export function multiplyInt8(
  memory: LinearMemory,
  { codes, unit }: Layout,
  rows: WeightRows,
  x: Activations,
  yPtr: number,
): void {
  const { columnCount, groupLength, rowCount } = rows;
  const codesPtr = memory.reserve("x codes", 2 * columnCount);
  const sumsPtr = memory.reserve("x sums", 32 * (columnCount / groupLength));
  for (let batch = 0; batch < x.batchCount; batch++) {
    const xPtr = x.ptr + batch * x.stride;
    const places = [xPtr, codesPtr, sumsPtr, columnCount, groupLength] as const;
    const scale = memory.kernels.quantizeActivations(codes.bits, ...places);
    const factor = Math.fround(scale * unit);
    const target = yPtr + 4 * batch * rowCount;
    memory.kernels.dotInt8(codes, rows, codesPtr, sumsPtr, factor, target);
  }
}

/** Kept columns of activations times their weights, which are expanded a few rows at a time. */
export function multiplyKept(
  memory: LinearMemory,
  { columns, weightsPtr }: KeptColumns,
  rowCount: number,
  x: Activations,
  yPtr: number,
): void {
  const columnCount = columns.length;
  const size = { rowCount, columnCount, tileRows: TILE_ROWS };
  const widePtr = memory.reserve("kept weights", 4 * TILE_ROWS * columnCount);
  multiplyRows(memory, size, x, yPtr, (first, count, tilePtr) => {
    const source = weightsPtr + 2 * first * columnCount;
    memory.kernels.widen("float16", source, widePtr, count * columnCount);
    for (let row = 0; row < count; row++) {
      const values = memory.floats(widePtr + 4 * row * columnCount, columnCount);
      const target = memory.floats(tilePtr + row * x.stride, x.stride / 4);
      target.set(values);
      target.fill(0, columnCount);
    }
  });
}

function multiplyTiles(
  memory: LinearMemory,
  { codes }: Layout,
  rows: WeightRows,
  x: Activations,
  yPtr: number,
): void {
  const { kernels } = memory;
  const { rowCount, columnCount, groupLength } = rows;
  const sumsPtr = memory.reserve("sums", 16 * TILE_ROWS * x.batchCount);
  const tilePtr = memory.reserve("tile", 4 * TILE_ROWS * TILE_COLUMNS);
  const codeBytes = codes.bits / 8;
  const groups = columnCount / groupLength;
  const sums = memory.floats(sumsPtr, 4 * TILE_ROWS * x.batchCount);
  for (let first = 0; first < rowCount; first += TILE_ROWS) {
    const some = {
      ...rows,
      codesPtr: rows.codesPtr + first * columnCount * codeBytes,
      scalePtr: rows.scalePtr + 4 * first * groups,
      zeroPointPtr: rows.zeroPointPtr === 0 ? 0 : rows.zeroPointPtr + 2 * first * groups,
      rowCount: Math.min(TILE_ROWS, rowCount - first),
    };
    sums.fill(0);
    for (let start = 0; start < columnCount; ) {
      const count = panelAt(start, rows);
      kernels.decode(codes, some, start, count, tilePtr, 4 * TILE_COLUMNS);
      const places = [tilePtr, 4 * TILE_COLUMNS, x.ptr + 4 * start, x.stride, sumsPtr] as const;
      kernels.addProducts(...places, some.rowCount, x.batchCount, count);
      start += count;
    }
    kernels.finishSums(sumsPtr, yPtr + 4 * first, 4 * rowCount, some.rowCount, x.batchCount);
  }
}

/** Columns from `start` on that go together: whole groups, or a part of one. */
function panelAt(start: number, { columnCount, groupLength }: WeightRows): number {
  if (groupLength <= TILE_COLUMNS) {
    const whole = Math.floor(TILE_COLUMNS / groupLength) * groupLength;
    return Math.min(whole, columnCount - start);
  }
  return Math.min(TILE_COLUMNS, groupLength - (start % groupLength));
}

interface RowSize {
  readonly rowCount: number;
  readonly columnCount: number;
  readonly tileRows: number;
}

/** @param expand writes `count` rows from `first` on as f32, `x.stride` bytes apart */
function multiplyRows(
  memory: LinearMemory,
  { rowCount, columnCount, tileRows }: RowSize,
  x: Activations,
  yPtr: number,
  expand: (first: number, count: number, tilePtr: number) => void,
): void {
  const { kernels } = memory;
  const sumsPtr = memory.reserve("sums", 16 * TILE_ROWS * x.batchCount);
  const tilePtr = memory.reserve("tile", Math.max(tileRows * x.stride, 16));
  const readable = x.stride / 4;
  for (let first = 0; first < rowCount; first += tileRows) {
    const count = Math.min(tileRows, rowCount - first);
    expand(first, count, tilePtr);
    memory.floats(sumsPtr, 4 * count * x.batchCount).fill(0);
    for (let start = 0; start < columnCount; start += TILE_COLUMNS) {
      const panel = Math.min(TILE_COLUMNS, readable - start);
      const places = [tilePtr + 4 * start, x.stride, x.ptr + 4 * start, x.stride, sumsPtr] as const;
      kernels.addProducts(...places, count, x.batchCount, panel);
    }
    kernels.finishSums(sumsPtr, yPtr + 4 * first, 4 * rowCount, count, x.batchCount);
  }
}
