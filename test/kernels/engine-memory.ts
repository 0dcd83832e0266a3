/** A memory as an engine's: others live in it, before, between and behind what it hands out. */

import type { HostMemory } from "../../src/kernels/wasm/instantiate.ts";

const FOREIGN = 0x5a;
const PAGE_BYTES = 65_536;
const GAP_BYTES = 48;

export interface EngineMemory extends HostMemory {
  /** Addresses of bytes of others that were changed. */
  trespasses(): number[];
}

/** @param start first address that it hands out */
export function engineMemory(start = 1024): EngineMemory {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const places: { readonly start: number; readonly end: number }[] = [];
  new Uint8Array(memory.buffer).fill(FOREIGN);
  let used = start;
  return {
    memory,
    allocate(byteCount) {
      const ptr = used + GAP_BYTES;
      used = Math.ceil((ptr + byteCount) / 16) * 16;
      const missing = used + GAP_BYTES - memory.buffer.byteLength;
      if (missing > 0) {
        const before = memory.grow(Math.ceil(missing / PAGE_BYTES));
        new Uint8Array(memory.buffer, before * PAGE_BYTES).fill(FOREIGN);
      }
      places.push({ start: ptr, end: ptr + byteCount });
      return ptr;
    },
    trespasses() {
      const bytes = new Uint8Array(memory.buffer.slice(0));
      for (const { start, end } of places) bytes.fill(FOREIGN, start, end);
      // The module's own constants.
      bytes.fill(FOREIGN, 64, 1024);
      return [...bytes.keys()].filter((at) => bytes[at] !== FOREIGN);
    },
  };
}
