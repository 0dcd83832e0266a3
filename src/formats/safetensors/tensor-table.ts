/**
 * The tensors of one file in compact form. A table costs less memory than the JSON text it was
 * read from: 1.3 million tensors must fit beside a 126 MB header.
 */

import { decodeCheckedUtf8 } from "../json/utf8.ts";
import { DTYPES, type Dtype } from "./dtypes.ts";
import type { NameIndex } from "./name-index.ts";
import type { TensorRecords } from "./tensor-records.ts";
import { tensorBytes } from "./tensor-size.ts";

/** One tensor. `begin` and `end` are byte offsets relative to the data section. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/**
 * Tensors in data order: `begin` ascending, empty tensors in front of their neighbour, equals as
 * the header lists them. Entries are made when they are asked for; keep none that you do not need.
 */
export class TensorTable {
  /** Tensors. */
  readonly length: number;
  /** The header's `__metadata__`; empty when it has none. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Bytes of the data section. */
  readonly dataBytes: number;
  readonly #records: TensorRecords;
  readonly #names: NameIndex;

  /** Called by the header parser, which has validated everything. */
  constructor(
    records: TensorRecords,
    names: NameIndex,
    metadata: ReadonlyMap<string, string>,
    dataBytes: number,
  ) {
    this.length = records.count;
    this.metadata = metadata;
    this.dataBytes = dataBytes;
    this.#records = records;
    this.#names = names;
  }

  /**
   * The tensor at `index`, counted in data order.
   *
   * @throws RangeError when `index` is not a whole number from 0 to `length − 1`
   */
  at(index: number): TensorEntry {
    const cursor = this.#open(index);
    const name = decodeCheckedUtf8(cursor.bytes, cursor.nameStart, cursor.nameEnd);
    const dtype = DTYPES[cursor.dtypeRank] as Dtype;
    const shape = cursor.shape.slice(0, cursor.rank);
    const size = tensorBytes(dtype, shape);
    return { name, dtype, shape, begin: cursor.begin, end: cursor.begin + Number(size) };
  }

  /**
   * The name of the tensor at `index`.
   *
   * @throws RangeError as `at`
   */
  nameAt(index: number): string {
    const cursor = this.#open(index);
    return decodeCheckedUtf8(cursor.bytes, cursor.nameStart, cursor.nameEnd);
  }

  /** The index of the tensor called `name`, or −1. Constant time. */
  indexOf(name: string): number {
    return this.#names.indexOf(name);
  }

  /** In data order. */
  *[Symbol.iterator](): Generator<TensorEntry, void, undefined> {
    for (let index = 0; index < this.length; index++) yield this.at(index);
  }

  #open(index: number): TensorRecords {
    if (!(Number.isInteger(index) && index >= 0 && index < this.length)) {
      throw new RangeError(`tensor ${index} of ${this.length}`);
    }
    return this.#records.open(index);
  }
}
