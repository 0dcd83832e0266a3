/** Compressed weights, one at a time. */

import type { WeightCodes, WeightRows } from "../../linear-kernels.ts";

const fl = Math.fround;

/** Reads codes, scales and zero points of rows. */
export class WeightReader {
  readonly #bytes: Uint8Array;
  readonly #words: DataView;
  readonly #rows: WeightRows;
  readonly #codes: WeightCodes;

  constructor(buffer: ArrayBuffer, codes: WeightCodes, rows: WeightRows) {
    this.#bytes = new Uint8Array(buffer);
    this.#words = new DataView(buffer);
    this.#codes = codes;
    this.#rows = rows;
  }

  /** The code of 4 bits, or a signed one of 8. */
  code(row: number, column: number): number {
    const { codesPtr, columnCount } = this.#rows;
    const at = row * columnCount + column;
    if (this.#codes.bits === 8) return ((this.#bytes[codesPtr + at] as number) << 24) >> 24;
    const byte = this.#bytes[codesPtr + (at >> 1)] as number;
    return at % 2 === 0 ? byte >> 4 : byte & 15;
  }

  scale(row: number, group: number): number {
    return this.#words.getFloat32(this.#rows.scalePtr + 4 * this.#scaleAt(row, group), true);
  }

  zeroPoint(row: number, group: number): number {
    const { zeroPointPtr } = this.#rows;
    if (zeroPointPtr === 0) return 0;
    return this.#words.getInt16(zeroPointPtr + 2 * this.#scaleAt(row, group), true);
  }

  /** The weight as `dequantize` gives it. */
  value(row: number, column: number): number {
    const group = Math.floor(column / this.#rows.groupLength);
    const code = this.code(row, column);
    const scale = this.scale(row, group);
    const zeroPoint = this.zeroPoint(row, group);
    const codes = this.#codes;
    if (codes.bits === 4) return fl(((codes.levels.levels[code] as number) - zeroPoint) * scale);
    return fl(fl((code - zeroPoint) * scale) * codes.factor);
  }

  /** The integer that stands for the weight, less its zero point. */
  integer(row: number, column: number): number {
    const group = Math.floor(column / this.#rows.groupLength);
    const code = this.code(row, column);
    const codes = this.#codes;
    const level = codes.bits === 4 ? (codes.levels.integers[code] as number) : code;
    return level - this.zeroPoint(row, group);
  }

  #scaleAt(row: number, group: number): number {
    const { columnCount, groupLength } = this.#rows;
    return row * (columnCount / groupLength) + group;
  }
}
