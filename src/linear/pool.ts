/** Memories for weights: as few as hold them, because each reserves much address space. */

import type { KernelChoice } from "../kernels/kernel-set.ts";
import { createLinearKernels } from "../kernels/select-linear.ts";
import { type Block, LinearMemory } from "./memory.ts";

/** Bytes of weights in one memory, of the 4 GiB that it may have, before another is begun. */
const MEMORY_BYTES = 2 ** 31;

/** Blocks in a pool's memory, until they are given back. */
export interface Lease {
  readonly memory: LinearMemory;
  readonly blocks: readonly Block[];
  readonly byteCount: number;
}

interface Member {
  readonly memory: LinearMemory;
  leases: number;
  byteCount: number;
}

export class LinearPool {
  readonly #choice: KernelChoice;
  readonly #module: WebAssembly.Module | undefined;
  #members: Member[] = [];

  constructor(choice: KernelChoice, module?: WebAssembly.Module) {
    this.#choice = choice;
    this.#module = module;
  }

  /** Blocks of these sizes, in one memory. @throws UnsupportedError when there is no room */
  lease(sizes: readonly number[]): Lease {
    const byteCount = sizes.reduce((sum, size) => sum + size, 0);
    let member = this.#members.find((one) => one.byteCount + byteCount <= MEMORY_BYTES);
    if (member === undefined) {
      const memory = new LinearMemory(createLinearKernels(this.#choice, this.#module));
      member = { memory, leases: 0, byteCount: 0 };
      this.#members.push(member);
    }
    const { memory } = member;
    const blocks: Block[] = [];
    try {
      for (const size of sizes) blocks.push(memory.allocate(size));
    } catch (error) {
      for (const block of blocks) memory.release(block);
      throw error;
    }
    member.leases++;
    member.byteCount += byteCount;
    return { memory, blocks, byteCount };
  }

  /** A memory without weights is dropped whole: WebAssembly's never shrinks. */
  giveBack({ memory, blocks, byteCount }: Lease): void {
    const member = this.#members.find((one) => one.memory === memory);
    if (member === undefined) return;
    for (const block of blocks) memory.release(block);
    member.leases--;
    member.byteCount -= byteCount;
    if (member.leases === 0) this.#members = this.#members.filter((one) => one !== member);
  }
}

type Pools = Map<KernelChoice, LinearPool>;

const embedded: Pools = /* @__PURE__ */ new Map();
const byModule = /* @__PURE__ */ new WeakMap<WebAssembly.Module, Pools>();

/** One pool for each choice, and for each module of a caller. */
export function poolOf(choice: KernelChoice, module?: WebAssembly.Module): LinearPool {
  const pools = poolsOf(module);
  let pool = pools.get(choice);
  if (pool === undefined) {
    pool = new LinearPool(choice, module);
    pools.set(choice, pool);
  }
  return pool;
}

function poolsOf(module: WebAssembly.Module | undefined): Pools {
  if (module === undefined) return embedded;
  const held = byModule.get(module);
  if (held !== undefined) return held;
  const pools: Pools = new Map();
  byModule.set(module, pools);
  return pools;
}
