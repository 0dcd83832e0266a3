/**
 * Linear memory: tables and scratch first, then what callers allocate, from the module's heap base on
 * or wherever an engine hands out places. The only file that lays memory out.
 */

import { ArgumentError } from "../../foundation/errors.ts";
import { growTo, type HostMemory, type KernelInstance } from "./instantiate.ts";
import { FLOAT_LEVELS_BYTES } from "./tables/float-levels.ts";
import { TableSlot } from "./tables/installed.ts";
import { LEVELS4_BYTES, TABLE4_BYTES } from "./tables/table4.ts";
import { TABLE8_BYTES } from "./tables/table8.ts";

/** Values of a scratch tile: 16 KB of f32, which stay in L1 between two kernels. */
export const TILE_VALUES = 4096;

export class Arena {
  readonly memory: WebAssembly.Memory;
  readonly table4: TableSlot;
  readonly levels4: TableSlot;
  readonly table8: TableSlot;
  readonly levels8: TableSlot;
  readonly floatLevels: TableSlot;
  /** One f32, for a scale or a result. */
  readonly scalarPtr: number;
  /** f32[TILE_VALUES] each. */
  readonly tilePtr: number;
  readonly secondTilePtr: number;
  private readonly host: HostMemory | undefined;
  private used: number;

  constructor({ exports, memory }: KernelInstance, host?: HostMemory) {
    this.memory = memory;
    this.host = host;
    this.used = exports.heapBase();
    const slot = (byteCount: number) => new TableSlot(memory, this.allocate(byteCount));
    this.table4 = slot(TABLE4_BYTES);
    this.levels4 = slot(LEVELS4_BYTES);
    this.table8 = slot(TABLE8_BYTES);
    this.levels8 = slot(1024);
    this.floatLevels = slot(FLOAT_LEVELS_BYTES);
    this.scalarPtr = this.allocate(16);
    this.tilePtr = this.allocate(4 * TILE_VALUES);
    this.secondTilePtr = this.allocate(4 * TILE_VALUES);
  }

  /** Address of fresh bytes, 16-aligned. Replaces `memory.buffer` when it grows. */
  allocate(byteCount: number): number {
    if (this.host !== undefined) return this.place(this.host, byteCount);
    const ptr = Math.ceil(this.used / 16) * 16;
    growTo(this.memory, ptr + byteCount);
    this.used = ptr + byteCount;
    return ptr;
  }

  private place(host: HostMemory, byteCount: number): number {
    const ptr = host.allocate(byteCount);
    const end = ptr + byteCount;
    if (ptr % 16 === 0 && ptr >= this.used && end <= this.memory.buffer.byteLength) return ptr;
    const expected = `a multiple of 16 from ${this.used} on, with ${byteCount} bytes of memory behind it`;
    throw new ArgumentError("allocate", expected, ptr);
  }

  floats(ptr: number, count: number): Float32Array {
    return new Float32Array(this.memory.buffer, ptr, count);
  }

  words(ptr: number, count: number): Uint32Array {
    return new Uint32Array(this.memory.buffer, ptr, count);
  }

  halves(ptr: number, count: number): Uint16Array {
    return new Uint16Array(this.memory.buffer, ptr, count);
  }

  bytes(ptr: number, count: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, ptr, count);
  }

  copy(targetPtr: number, sourcePtr: number, byteCount: number): void {
    new Uint8Array(this.memory.buffer).copyWithin(targetPtr, sourcePtr, sourcePtr + byteCount);
  }
}
