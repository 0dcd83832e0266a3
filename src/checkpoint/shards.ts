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

interface Load {
  dataBytes: number;
  headerBytes: number;
  readonly items: number[];
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
export function splitIntoShards(items: Iterable<ShardItem>, limits: ShardLimits): number[][] {
  const blocks = new Map<string, Map<string, Load>>();
  let index = 0;
  for (const item of items) {
    const block = getOr(blocks, blockOf(item.name), () => new Map<string, Load>());
    const module = getOr(block, moduleOf(item.name), emptyLoad);
    addTo(module, item.dataBytes, item.headerBytes, [index]);
    index++;
  }
  const shards: Load[] = [];
  const put = (load: Load) => {
    const last = shards.at(-1);
    if (last !== undefined && fits(last, load, limits)) addTo(last, ...partsOf(load));
    else shards.push(load);
  };
  for (const modules of blocks.values()) {
    const whole = emptyLoad();
    for (const load of modules.values()) addTo(whole, ...partsOf(load));
    if (fits(emptyLoad(), whole, limits)) put(whole);
    else for (const load of modules.values()) put(load);
  }
  if (shards.length === 0) shards.push(emptyLoad());
  return shards.map(({ items: indices }) => indices.sort((a, b) => a - b));
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

/** "a.b" of "a.b.weight". */
function moduleOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf(".")));
}

function fits(load: Load, more: Load, limits: ShardLimits): boolean {
  return (
    load.dataBytes + more.dataBytes <= limits.dataBytes &&
    load.headerBytes + more.headerBytes <= limits.headerBytes
  );
}

function addTo(load: Load, dataBytes: number, headerBytes: number, items: readonly number[]): void {
  load.dataBytes += dataBytes;
  load.headerBytes += headerBytes;
  for (const item of items) load.items.push(item);
}

function partsOf(load: Load): [number, number, readonly number[]] {
  return [load.dataBytes, load.headerBytes, load.items];
}

function emptyLoad(): Load {
  return { dataBytes: 0, headerBytes: 0, items: [] };
}

function getOr<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
