/** The tensor types that a GGUF file may hold. */

import { BLOCK_LAYOUTS, COPIED_TYPES } from "../../schemes/ggml/block-types.ts";

/** A tensor's type: its values lie in blocks along the first dimension. */
export interface GgufType {
  /** As ggml calls it: "F16", "Q4_K". */
  readonly name: string;
  /** `ggml_type`, the number in a file. */
  readonly id: number;
  readonly blockValues: number;
  readonly blockBytes: number;
}

/** Every type that is read, by name. */
export const GGUF_TYPES: ReadonlyMap<string, GgufType> = new Map(
  Object.entries({ ...BLOCK_LAYOUTS, ...COPIED_TYPES }).map(
    ([name, { id, blockValues, blockBytes }]) => [name, { name, id, blockValues, blockBytes }],
  ),
);

const TYPES_BY_ID: ReadonlyMap<number, GgufType> = new Map(
  [...GGUF_TYPES.values()].map((type) => [type.id, type]),
);

/** The type with this `ggml_type`; undefined for one that is unknown, or was removed from ggml. */
export function ggufTypeOf(id: number): GgufType | undefined {
  return TYPES_BY_ID.get(id);
}

/** The type of that name. @throws Error for a name that no table has */
export function ggufType(name: string): GgufType {
  const type = GGUF_TYPES.get(name);
  if (type === undefined) throw new Error(`unreachable: type ${name}`);
  return type;
}
