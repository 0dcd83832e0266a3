/** The memory of one set of linear kernels: blocks for weights, and places that products reuse. */

import type { LinearKernels } from "../kernels/linear-kernels.ts";
import type { KernelReport } from "../kernels/select.ts";
import type { ChosenLinearKernels } from "../kernels/select-linear.ts";

/** Bytes from `ptr`, a multiple of 16. */
export interface Block {
  readonly ptr: number;
  readonly byteCount: number;
}

export class LinearMemory {
  readonly kernels: LinearKernels;
  readonly report: KernelReport;
  /** Gaps between blocks, ascending, no two adjacent. */
  #gaps: Block[] = [];
  #end: number;
  readonly #scratch = new Map<string, Block>();

  constructor({ kernels, report }: ChosenLinearKernels) {
    this.kernels = kernels;
    this.report = report;
    this.#end = aligned(kernels.heapBase);
  }

  /** @throws UnsupportedError when there is no room; nothing is allocated then */
  allocate(byteCount: number): Block {
    const size = aligned(Math.max(byteCount, 16));
    const at = this.#gaps.findIndex((gap) => gap.byteCount >= size);
    const gap = this.#gaps[at];
    if (gap !== undefined) {
      const rest = { ptr: gap.ptr + size, byteCount: gap.byteCount - size };
      this.#gaps.splice(at, 1, ...(rest.byteCount === 0 ? [] : [rest]));
      return { ptr: gap.ptr, byteCount: size };
    }
    this.kernels.growTo(this.#end + size);
    const block = { ptr: this.#end, byteCount: size };
    this.#end += size;
    return block;
  }

  /** The block's bytes may be given out again. */
  release(block: Block): void {
    const gaps = [...this.#gaps, block].sort((a, b) => a.ptr - b.ptr);
    this.#gaps = [];
    for (const gap of gaps) {
      const last = this.#gaps.at(-1);
      if (last !== undefined && last.ptr + last.byteCount === gap.ptr) {
        this.#gaps.splice(-1, 1, { ptr: last.ptr, byteCount: last.byteCount + gap.byteCount });
      } else this.#gaps.push(gap);
    }
    const last = this.#gaps.at(-1);
    if (last !== undefined && last.ptr + last.byteCount === this.#end) {
      this.#end = last.ptr;
      this.#gaps.pop();
    }
  }

  /** Address of at least `byteCount` bytes under `name`; what was there may be lost. */
  reserve(name: string, byteCount: number): number {
    const held = this.#scratch.get(name);
    if (held !== undefined && held.byteCount >= byteCount) return held.ptr;
    if (held !== undefined) this.release(held);
    this.#scratch.delete(name);
    const block = this.allocate(byteCount);
    this.#scratch.set(name, block);
    return block.ptr;
  }

  /** Fresh views; they die with the next `allocate` or `reserve`. */
  bytes(ptr: number, count: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.kernels.buffer, ptr, count);
  }

  floats(ptr: number, count: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.kernels.buffer, ptr, count);
  }
}

function aligned(byteCount: number): number {
  return Math.ceil(byteCount / 16) * 16;
}
