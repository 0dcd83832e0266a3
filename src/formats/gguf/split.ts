/** Models in several GGUF files, as llama.cpp's gguf-split makes them. */

import { FormatError, quoted } from "../../foundation/errors.ts";
import type { GgufMetadata } from "./metadata.ts";
import type { GgufFile } from "./reader.ts";

/** The keys of a part: its number from 0, the number of parts, and of tensors in all of them. */
export const SPLIT_KEYS = ["split.no", "split.count", "split.tensors.count"] as const;

const [NUMBER_KEY, COUNT_KEY, TENSORS_KEY] = SPLIT_KEYS;

/** Most parts: the number in a file's name has five digits. */
const MAX_PARTS = 99_999;

/** `<prefix>-00001-of-00003.gguf`: parts are numbered from 1 in names, from 0 in keys. */
const PART_NAME = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/s;

/** Parts of a model whose first part has these keys; 1 for a file that is whole. @throws FormatError */
export function partCountOf({ header, source }: GgufFile): number {
  const count = header.metadata.integer(COUNT_KEY) ?? 1;
  const number = header.metadata.integer(NUMBER_KEY) ?? 0;
  if (count < 0 || count > MAX_PARTS) {
    const problem = `key ${quoted(COUNT_KEY)} is ${count}, expected 0 to ${MAX_PARTS}`;
    throw new FormatError(problem, { file: source.name });
  }
  if (number !== 0) {
    const problem = `it is part ${number + 1} of ${count}; open the first part`;
    throw new FormatError(problem, { file: source.name });
  }
  return Math.max(1, count);
}

/**
 * The file names of all parts, from that of the first.
 *
 * @throws FormatError when the name is not that of a first part
 */
export function partNames(first: string, count: number): string[] {
  if (count === 1) return [first];
  const [, prefix, number, all] = PART_NAME.exec(first) ?? [];
  if (prefix === undefined || Number(number) !== 1 || Number(all) !== count) {
    const expected = `…-00001-of-${String(count).padStart(5, "0")}.gguf`;
    const problem = `the first of ${count} parts must be called ${expected}, for the others to be found`;
    throw new FormatError(problem, { file: first });
  }
  return Array.from({ length: count }, (_, i) => partName(prefix, i, count));
}

/** The name of the part at `index`, counted from 0. */
export function partName(prefix: string, index: number, count: number): string {
  const digits = (n: number) => String(n).padStart(5, "0");
  return `${prefix}-${digits(index + 1)}-of-${digits(count)}.gguf`;
}

/**
 * Checks that the files are the parts of one model, in order.
 *
 * @returns the model's metadata: that of the first part, without the keys of the split
 * @throws FormatError
 */
export function joinParts(files: readonly GgufFile[]): GgufMetadata {
  const [first] = files as readonly [GgufFile, ...GgufFile[]];
  const { metadata } = first.header;
  if (files.length === 1) return metadata.with([], SPLIT_KEYS);
  const names = new Set<string>();
  for (const [index, { header, source }] of files.entries()) {
    const fail = (problem: string, tensor?: string): never => {
      throw new FormatError(problem, { file: source.name, tensor });
    };
    for (const [key, expected] of [
      [NUMBER_KEY, index],
      [COUNT_KEY, files.length],
    ] as const) {
      const value = header.metadata.integer(key);
      if (value !== expected) fail(`key ${quoted(key)} is ${value}, expected ${expected}`);
    }
    for (const { name } of header.tensors) {
      if (names.has(name)) fail("a part before has a tensor of that name too", name);
      names.add(name);
    }
  }
  const tensorCount = metadata.integer(TENSORS_KEY);
  if (tensorCount !== undefined && tensorCount !== names.size) {
    const problem = `key ${quoted(TENSORS_KEY)} is ${tensorCount}, but the parts have ${names.size} tensors`;
    throw new FormatError(problem, { file: first.source.name });
  }
  return metadata.with([], SPLIT_KEYS);
}
