/** Finds a record by its name: an open-addressing table of 4 bytes a slot over the records. */

import { utf8ByteLength } from "../json/utf8.ts";
import { MAX_NAME_BYTES } from "./limits.ts";
import { NameHasher } from "./name-hash.ts";
import type { TensorRecords } from "./tensor-records.ts";

const EMPTY = 0;

export class NameIndex {
  readonly #records: TensorRecords;
  readonly #hasher = new NameHasher();
  /** Record index + 1. Its length is a power of two. */
  #slots = new Uint32Array(64);
  #count = 0;
  /** Slots looked at so far: what a test watches instead of a clock. */
  probeCount = 0;

  constructor(records: TensorRecords) {
    this.#records = records;
  }

  /** Index of the record named `name[0..nameBytes)`, or −1. */
  find(name: Uint8Array, nameBytes: number): number {
    return (this.#slots[this.#slotOf(name, nameBytes)] as number) - 1;
  }

  /** Enters the newest record, whose name `find` has not found. */
  add(name: Uint8Array, nameBytes: number, index: number): void {
    if ((this.#count + 1) * 4 > this.#slots.length * 3) this.#rebuild(this.#slots.length * 2);
    this.#slots[this.#slotOf(name, nameBytes)] = index + 1;
    this.#count += 1;
  }

  /** As `find`, for a string. */
  indexOf(name: string): number {
    if (name.length > MAX_NAME_BYTES || utf8ByteLength(name) === -1) return -1;
    const bytes = new TextEncoder().encode(name);
    return this.find(bytes, bytes.byteLength);
  }

  /** After the records were reordered. */
  reindex(): void {
    this.#rebuild(this.#slots.length);
  }

  #rebuild(slotCount: number): void {
    this.#slots = new Uint32Array(slotCount);
    for (let index = 0; index < this.#count; index++) {
      const { bytes, nameStart, nameEnd } = this.#records.openName(index);
      this.#slots[this.#freeSlotOf(bytes, nameStart, nameEnd)] = index + 1;
    }
  }

  /** The slot of the record with this name, or the empty slot where it would go. */
  #slotOf(name: Uint8Array, nameBytes: number): number {
    const mask = this.#slots.length - 1;
    let slot = this.#hasher.hash(name, 0, nameBytes) & mask;
    for (; ; slot = (slot + 1) & mask) {
      this.probeCount += 1;
      const entry = this.#slots[slot] as number;
      if (entry === EMPTY || this.#isNamed(entry - 1, name, nameBytes)) return slot;
    }
  }

  /** Names in the table differ, so that a rebuild need not compare them. */
  #freeSlotOf(name: Uint8Array, start: number, end: number): number {
    const mask = this.#slots.length - 1;
    let slot = this.#hasher.hash(name, start, end) & mask;
    for (; this.#slots[slot] !== EMPTY; slot = (slot + 1) & mask) this.probeCount += 1;
    return slot;
  }

  #isNamed(index: number, name: Uint8Array, nameBytes: number): boolean {
    const { bytes, nameStart, nameEnd } = this.#records.openName(index);
    if (nameEnd - nameStart !== nameBytes) return false;
    for (let i = 0; i < nameBytes; i++) if (bytes[nameStart + i] !== name[i]) return false;
    return true;
  }
}
