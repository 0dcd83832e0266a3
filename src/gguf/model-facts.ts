/** What the mixtures must know of a model. */

import type { GgufMetadata } from "../formats/gguf/index.ts";

export interface ModelFacts {
  readonly architecture: string;
  readonly layers: number;
  readonly heads: number;
  readonly keyHeads: number;
  /** 0 for a dense model. */
  readonly experts: number;
}

/**
 * @param names of the model's tensors: they tell the layers where no key does
 * @throws FormatError for a key of another type
 */
export function modelFactsOf(metadata: GgufMetadata, names: Iterable<string>): ModelFacts {
  const architecture = metadata.string("general.architecture") ?? "";
  const integer = (key: string) => metadata.integer(`${architecture}.${key}`);
  const heads = integer("attention.head_count") ?? 0;
  return {
    architecture,
    layers: integer("block_count") ?? layersIn(names),
    heads,
    keyHeads: integer("attention.head_count_kv") ?? heads,
    experts: integer("expert_count") ?? 0,
  };
}

function layersIn(names: Iterable<string>): number {
  let last = -1;
  for (const name of names) last = Math.max(last, layerOf(name));
  return last + 1;
}

/** N of `blk.N.`; −1 for a tensor outside the layers. */
export function layerOf(name: string): number {
  const digits = /^blk\.(\d+)/.exec(name)?.[1];
  return digits === undefined ? -1 : Number(digits);
}
