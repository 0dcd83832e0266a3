/** What assembly/ggml/index.ts exports. A test compares the names with the binary. */

import { BLOCK_TYPES, type BlockType } from "../../../schemes/ggml/block-types.ts";

/** @returns blocks written: fewer than asked where the reference must write the next one */
type Quantize = (valuesPtr: number, blocksPtr: number, blockCount: number) => number;

type Dequantize = (blocksPtr: number, valuesPtr: number, blockCount: number) => void;

export type BlockExports = {
  readonly [type in BlockType as `quantize${type}`]: Quantize;
} & {
  readonly [type in BlockType as `dequantize${type}`]: Dequantize;
} & {
  abiVersion(): number;
  heapBase(): number;
  /** @returns −1: none */
  firstNonFinite(valuesPtr: number, count: number): number;
  /** @returns −1: none */
  firstInfinite(ptr: number, stride: number, count: number, exponent: number): number;
};

/** The ABI that this file describes; a binary with another one is refused. */
export const BLOCKS_ABI_VERSION = 1;

/** Every export by name: the type above, at run time. */
export const BLOCK_EXPORT_NAMES: readonly (keyof BlockExports)[] = /* @__PURE__ */ [
  "abiVersion",
  "heapBase",
  "firstNonFinite",
  "firstInfinite",
  .../* @__PURE__ */ BLOCK_TYPES.flatMap(
    (type) => [`quantize${type}`, `dequantize${type}`] as const,
  ),
];
