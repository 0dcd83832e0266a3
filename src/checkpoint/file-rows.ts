/**
 * The stored tensors of one output file in the reference writer's order, in a few numbers each: a
 * file may hold a million, and what they are called follows from their units.
 */

import { compareCodePoints } from "../formats/json/index.ts";
import { type Dtype, dtypeRank, type TensorEntry } from "../formats/safetensors/index.ts";
import type { OutputTensor, Role } from "./layouts/layout.ts";
import type { TextSize } from "./unit.ts";

/** A unit's stored tensors; always the same ones, but for the size of a text. */
export type OutputsOf = (unit: number, text: TextSize) => readonly OutputTensor[];

const NONE = -1;

export class FileRows {
  /** Stored tensors. */
  readonly length: number;
  readonly #outputsOf: OutputsOf;
  /** Of each row, in file order: its unit, and which of the unit's outputs it is. */
  readonly #unit: Int32Array;
  readonly #part: Uint8Array;
  readonly #firstRow = new Map<number, number>();
  /** The next row of the same unit. */
  readonly #nextRow: Int32Array;
  #cachedUnit = NONE;
  #cachedText: TextSize = "typical";
  #cached: readonly OutputTensor[] = [];

  constructor(units: ArrayLike<number>, outputsOf: OutputsOf) {
    this.#outputsOf = outputsOf;
    const rows = inFileOrder(units, outputsOf);
    this.length = rows.unit.length;
    this.#unit = Int32Array.from(rows.unit);
    this.#part = Uint8Array.from(rows.part);
    this.#nextRow = new Int32Array(this.length).fill(NONE);
    for (let row = this.length - 1; row >= 0; row--) {
      const owner = this.#unit[row] as number;
      this.#nextRow[row] = this.#firstRow.get(owner) ?? NONE;
      this.#firstRow.set(owner, row);
    }
  }

  output(row: number, text: TextSize): OutputTensor {
    const unit = this.#unit[row] as number;
    if (unit !== this.#cachedUnit || text !== this.#cachedText) {
      this.#cached = this.#outputsOf(unit, text);
      this.#cachedUnit = unit;
      this.#cachedText = text;
    }
    return this.#cached[this.#part[row] as number] as OutputTensor;
  }

  /** The header's entries by these text sizes. */
  *entries(text: TextSize): Generator<TensorEntry> {
    let begin = 0;
    for (let row = 0; row < this.length; row++) {
      const { name, dtype, shape, byteLength } = this.output(row, text);
      yield { name, dtype, shape, begin, end: begin + byteLength };
      begin += byteLength;
    }
  }

  role(row: number): Role {
    return this.output(row, "typical").role;
  }

  dtype(row: number): Dtype {
    return this.output(row, "typical").dtype;
  }

  /** Rows of a unit, in file order. */
  ofUnit(unit: number): number[] {
    const rows: number[] = [];
    for (let row = this.#firstRow.get(unit) ?? NONE; row !== NONE; ) {
      rows.push(row);
      row = this.#nextRow[row] as number;
    }
    return rows;
  }

  /**
   * Each unit once, where its last row is: in that order, every text's length is known before
   * what follows it is written.
   */
  *unitsByLastRow(): Generator<number> {
    for (let row = 0; row < this.length; row++) {
      if (this.#nextRow[row] === NONE) yield this.#unit[row] as number;
    }
  }

  /**
   * True when no unit's tensors interleave with another's where the texts are. Names such as
   * `a.weight` beside `a.weight.b` break that.
   */
  textsComeInOrder(): boolean {
    const left = new Set<number>();
    let current = NONE;
    for (let row = 0; row < this.length; row++) {
      const unit = this.#unit[row] as number;
      if (unit === current || !followsTexts(this.dtype(row))) continue;
      if (left.has(unit)) return false;
      left.add(current);
      current = unit;
    }
    return true;
  }
}

/** The reference order, descending, puts U8, which the texts are, and what sorts behind it, last. */
export function followsTexts(dtype: Dtype): boolean {
  return dtypeRank(dtype) <= dtypeRank("U8");
}

interface Rows {
  readonly unit: number[];
  readonly part: number[];
}

/** By dtype, descending, then by name: the reference writer's order. */
function inFileOrder(units: ArrayLike<number>, outputsOf: OutputsOf): Rows {
  const byName = unitsByName(units, outputsOf);
  const ranks = new Set<number>();
  for (const unit of byName) {
    for (const { dtype } of outputsOf(unit, "typical")) ranks.add(dtypeRank(dtype));
  }
  const all: Rows = { unit: [], part: [] };
  for (const rank of [...ranks].sort((a, b) => b - a)) {
    const rows = rowsOfRank(rank, byName, outputsOf);
    for (let i = 0; i < rows.unit.length; i++) {
      all.unit.push(rows.unit[i] as number);
      all.part.push(rows.part[i] as number);
    }
  }
  return all;
}

function unitsByName(units: ArrayLike<number>, outputsOf: OutputsOf): Int32Array {
  const names = Array.from(units, (unit) => outputsOf(unit, "typical")[0]?.name ?? "");
  const order = Uint32Array.from(names.keys());
  order.sort((a, b) => compareCodePoints(names[a] as string, names[b] as string));
  return Int32Array.from(order, (position) => units[position] as number);
}

/**
 * The rows of one dtype by name. A unit's tensors begin with its name, so units by name nearly
 * always give rows by name: only where they do not (`a.weight` beside `a.weight.b`), all names of
 * the dtype are held in memory to be sorted.
 */
function rowsOfRank(rank: number, byName: Int32Array, outputsOf: OutputsOf): Rows {
  const rows: Rows = { unit: [], part: [] };
  let last = "";
  let isSorted = true;
  for (const unit of byName) {
    const parts = [...outputsOf(unit, "typical").entries()]
      .filter(([, { dtype }]) => dtypeRank(dtype) === rank)
      .sort(([, a], [, b]) => compareCodePoints(a.name, b.name));
    for (const [part, { name }] of parts) {
      rows.unit.push(unit);
      rows.part.push(part);
      if (compareCodePoints(last, name) > 0) isSorted = false;
      last = name;
    }
  }
  return isSorted ? rows : sortedByName(rows, outputsOf);
}

function sortedByName({ unit, part }: Rows, outputsOf: OutputsOf): Rows {
  const nameOf = (row: number) =>
    outputsOf(unit[row] as number, "typical")[part[row] as number]?.name ?? "";
  const names = Array.from(unit.keys(), nameOf);
  const order = [...names.keys()];
  order.sort((a, b) => compareCodePoints(names[a] as string, names[b] as string));
  return {
    unit: order.map((row) => unit[row] as number),
    part: order.map((row) => part[row] as number),
  };
}
