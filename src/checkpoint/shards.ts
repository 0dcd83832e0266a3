/** Which output file a tensor goes to. Everything of a layer stays together. */

import { ArgumentError } from "../foundation/errors.ts";

/** Bytes per shard unless told otherwise: transformers' own default. */
export const DEFAULT_MAX_SHARD_BYTES = 5e9;

/** What the split must know of a unit. */
export interface ShardItem {
  readonly name: string;
  /** Bytes of data, at most. */
  readonly dataBytes: number;
  /** Bytes of its entries in the header, at most. */
  readonly headerBytes: number;
}

/** Most bytes of data and of header that one shard may hold. */
export interface ShardLimits {
  readonly dataBytes: number;
  readonly headerBytes: number;
}

/**
 * Greedy, in order of first appearance. A transformer block ("model.layers.7") goes to one shard
 * when it fits into one, else module by module; a module is never torn (loaders look a weight's
 * companions up in one file), even when it alone is larger than a shard.
 *
 * @returns for every shard the indices of its items, ascending
 */
export function splitIntoShards(items: Iterable<ShardItem>, limits: ShardLimits): Int32Array[] {
  const modules = new Groups();
  const blocks = new Groups();
  const moduleOfItem: number[] = [];
  const blockOfModule: number[] = [];
  for (const { name, dataBytes, headerBytes } of items) {
    const module = modules.idOf(moduleOf(name));
    // A module is in the block that it was first seen in.
    blockOfModule[module] ??= blocks.idOf(blockOf(name));
    blocks.add(blockOfModule[module] as number, dataBytes, headerBytes);
    modules.add(module, dataBytes, headerBytes);
    moduleOfItem.push(module);
  }
  const fill = new ShardFill(limits);
  const shardOfBlock = new Map<number, number>();
  const shardOfModule = new Int32Array(modules.count);
  for (let module = 0; module < modules.count; module++) {
    const block = blockOfModule[module] as number;
    const isWhole = blocks.fits(block, limits);
    const shard = isWhole
      ? (shardOfBlock.get(block) ?? fill.put(blocks, block))
      : fill.put(modules, module);
    if (isWhole) shardOfBlock.set(block, shard);
    shardOfModule[module] = shard;
  }
  return gather(moduleOfItem, shardOfModule, Math.max(1, fill.count));
}

/** The items of each shard. */
function gather(
  moduleOfItem: readonly number[],
  shardOfModule: Int32Array,
  shardCount: number,
): Int32Array[] {
  const shards: number[][] = Array.from({ length: shardCount }, () => []);
  moduleOfItem.forEach((module, item) => {
    shards[shardOfModule[module] as number]?.push(item);
  });
  return shards.map((shard) => Int32Array.from(shard));
}

/** Names to small numbers, and the sizes that gather under them. */
class Groups {
  count = 0;
  readonly #ids = new Map<number, number>();
  readonly #dataBytes: number[] = [];
  readonly #headerBytes: number[] = [];

  /**
   * By a hash, not the name: a million names would weigh more than the rest of the job. Two names
   * that share one are merely kept together.
   */
  idOf(name: string): number {
    const key = hashOf(name);
    let id = this.#ids.get(key);
    if (id === undefined) {
      id = this.count++;
      this.#ids.set(key, id);
      this.#dataBytes.push(0);
      this.#headerBytes.push(0);
    }
    return id;
  }

  add(id: number, dataBytes: number, headerBytes: number): void {
    this.#dataBytes[id] = this.dataBytes(id) + dataBytes;
    this.#headerBytes[id] = this.headerBytes(id) + headerBytes;
  }

  dataBytes(id: number): number {
    return this.#dataBytes[id] as number;
  }

  headerBytes(id: number): number {
    return this.#headerBytes[id] as number;
  }

  fits(id: number, limits: ShardLimits): boolean {
    return this.dataBytes(id) <= limits.dataBytes && this.headerBytes(id) <= limits.headerBytes;
  }
}

/** The shard that is being filled. */
class ShardFill {
  count = 0;
  readonly #limits: ShardLimits;
  #dataBytes = 0;
  #headerBytes = 0;

  constructor(limits: ShardLimits) {
    this.#limits = limits;
  }

  /** @returns the shard that the group goes to: the current one, or a new one */
  put(groups: Groups, id: number): number {
    const dataBytes = this.#dataBytes + groups.dataBytes(id);
    const headerBytes = this.#headerBytes + groups.headerBytes(id);
    const isFull = dataBytes > this.#limits.dataBytes || headerBytes > this.#limits.headerBytes;
    if (this.count === 0 || isFull) {
      this.#dataBytes = groups.dataBytes(id);
      this.#headerBytes = groups.headerBytes(id);
      return this.count++;
    }
    this.#dataBytes = dataBytes;
    this.#headerBytes = headerBytes;
    return this.count - 1;
  }
}

/** FNV-1a over UTF-16 units, 30 bits: a small integer in every engine. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 2;
}

/** "model.safetensors", or "model-00001-of-00003.safetensors". */
export function shardFileName(index: number, count: number): string {
  if (count === 1) return "model.safetensors";
  const five = (n: number) => String(n).padStart(5, "0");
  return `model-${five(index + 1)}-of-${five(count)}.safetensors`;
}

/**
 * "5GB", "200MiB", "1000": decimal for kB, MB, GB, binary for KiB, MiB, GiB.
 *
 * @throws ArgumentError
 */
export function parseByteCount(text: string, argument: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?)b?|b)?$/i.exec(text.trim());
  const power = match?.[2] === undefined ? 0 : "kmgt".indexOf(match[2].toLowerCase()) + 1;
  const base = match?.[3] === undefined || match[3] === "" ? 1000 : 1024;
  const bytes = match === null ? NaN : Math.floor(Number(match[1]) * base ** power);
  if (!Number.isSafeInteger(bytes) || bytes < 1) {
    throw new ArgumentError(argument, 'a size such as "5GB", "500MB" or "2GiB"', text);
  }
  return bytes;
}

/** "model.layers.7" of "model.layers.7.mlp.up_proj.weight"; the module where nothing is counted. */
function blockOf(name: string): string {
  return /^.*?\.\d+(?=\.)/.exec(name)?.[0] ?? moduleOf(name);
}

/** "a.b" of "a.b.weight"; a name without dots stands for itself. */
function moduleOf(name: string): string {
  const dot = name.lastIndexOf(".");
  return dot < 0 ? name : name.slice(0, dot);
}
