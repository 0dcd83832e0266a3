/** Packed records of tensors: name, dtype, shape and offset in as few bytes as they need. */

import { copyBytes } from "../json/scratch.ts";
import { MAX_NAME_BYTES, MAX_RANK } from "./limits.ts";

/** Records never cross a page, so that a name is one run of bytes. */
const PAGE_BYTES = 2 ** 20;

/** Longest record: 8 bytes hold any varint up to 2^53 − 1. */
const MAX_RECORD_BYTES = MAX_NAME_BYTES + 8 * (MAX_RANK + 3) + 1;

/**
 * A list of records that also is the cursor on one of them: `open` fills the fields below. Nothing
 * is allocated per record.
 */
export class TensorRecords {
  count = 0;

  // The record at the cursor.
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  nameStart = 0;
  nameEnd = 0;
  dtypeRank = 0;
  rank = 0;
  /** `rank` dimensions; what follows them is stale. */
  readonly shape: number[] = new Array(MAX_RANK).fill(0);
  begin = 0;

  readonly #pages: Uint8Array<ArrayBuffer>[] = [];
  /** Bytes used of the last page. */
  #used = 0;
  #at = 0;
  #addresses = new Uint32Array(16);
  readonly #firstPageBytes: number;

  /** @param expectedBytes  the length of the text to come: a small file gets a small page */
  constructor(expectedBytes: number) {
    this.#firstPageBytes = Math.min(PAGE_BYTES, expectedBytes + MAX_RECORD_BYTES);
  }

  /**
   * Adds a record named `name[0..nameBytes)`; `shape[0..rank)` and `begin` are whole numbers up to
   * 2^53 − 1.
   */
  add(
    name: Uint8Array,
    nameBytes: number,
    dtypeRank: number,
    shape: ArrayLike<number>,
    rank: number,
    begin: number,
  ): void {
    const most = nameBytes + 8 * (rank + 3) + 1;
    let page = this.#pages.at(-1);
    if (page === undefined || this.#used + most > page.byteLength) {
      page = new Uint8Array(page === undefined ? this.#firstPageBytes : PAGE_BYTES);
      this.#pages.push(page);
      this.#used = 0;
    }
    if (this.count === this.#addresses.length) {
      const larger = new Uint32Array(this.count * 2);
      larger.set(this.#addresses);
      this.#addresses = larger;
    }
    this.#addresses[this.count++] = (this.#pages.length - 1) * PAGE_BYTES + this.#used;
    let at = writeVarint(page, this.#used, nameBytes);
    copyBytes(name, 0, nameBytes, page, at);
    at += nameBytes;
    page[at++] = dtypeRank;
    at = writeVarint(page, at, rank);
    for (let i = 0; i < rank; i++) at = writeVarint(page, at, shape[i] as number);
    this.#used = writeVarint(page, at, begin);
  }

  /** Moves the cursor to record `index` and returns this. */
  open(index: number): this {
    this.openName(index);
    this.#at = this.nameEnd;
    this.dtypeRank = this.bytes[this.#at++] as number;
    this.rank = this.#readVarint();
    for (let i = 0; i < this.rank; i++) this.shape[i] = this.#readVarint();
    this.begin = this.#readVarint();
    return this;
  }

  /** As `open`, but only the name is read. */
  openName(index: number): this {
    const address = this.#addresses[index] as number;
    this.bytes = this.#pages[Math.floor(address / PAGE_BYTES)] as Uint8Array<ArrayBuffer>;
    this.#at = address % PAGE_BYTES;
    const nameBytes = this.#readVarint();
    this.nameStart = this.#at;
    this.nameEnd = this.#at + nameBytes;
    return this;
  }

  /** Memory of the records in bytes, spare room included. */
  get heldBytes(): number {
    return this.#pages.reduce((sum, page) => sum + page.byteLength, this.#addresses.byteLength);
  }

  /** Reorders: record `order[i]` becomes record `i`. */
  permute(order: Uint32Array): void {
    this.#addresses = order.map((index) => this.#addresses[index] as number);
  }

  #readVarint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.bytes[this.#at++] as number;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }
}

/** LEB128 without 32-bit arithmetic. Returns the index after it. */
function writeVarint(bytes: Uint8Array, index: number, value: number): number {
  let at = index;
  let rest = value;
  while (rest >= 128) {
    bytes[at++] = 128 + (rest % 128);
    rest = Math.floor(rest / 128);
  }
  bytes[at++] = rest;
  return at;
}
