/** Reusable slots in a kernel set's memory: the only place that makes views on it. */

import type { KernelSet } from "../kernels/kernel-set.ts";
import type { KernelReport } from "../kernels/select.ts";

/** Bytes of weights that pass through the kernels at once: copying in and out is cheapest from 1 MB on. */
export const TILE_BYTES = 1 << 20;

/** A named piece of kernel memory that grows when asked for more. */
class Slot {
  pointer = 0;
  capacity = 0;
}

/** Kernels plus the memory slots that encoders and decoders share. Not for concurrent use. */
export class Workspace {
  readonly kernels: KernelSet;
  readonly report: KernelReport;
  readonly #slots = new Map<string, Slot>();

  constructor(kernels: KernelSet, report: KernelReport) {
    this.kernels = kernels;
    this.report = report;
  }

  /** Address of at least `byteCount` bytes kept under `name`; the content may be lost on growth. */
  reserve(name: string, byteCount: number): number {
    let slot = this.#slots.get(name);
    if (slot === undefined) {
      slot = new Slot();
      this.#slots.set(name, slot);
    }
    if (slot.capacity < byteCount || slot.capacity === 0) {
      const capacity = Math.max(byteCount, Math.min(slot.capacity * 2, byteCount * 2), 64);
      slot.pointer = this.kernels.allocate(capacity);
      slot.capacity = capacity;
    }
    return slot.pointer;
  }

  /** A fresh view; it dies with the next `reserve`. */
  bytes(pointer: number, byteCount: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.kernels.buffer, pointer, byteCount);
  }

  floats(pointer: number, elementCount: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.kernels.buffer, pointer, elementCount);
  }
}
