/** What can be wrong with a model's files, before a weight is looked at. */

import { readdir, readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { INDEX_NAME } from "../checkpoint/model-files.ts";
import { memberOf, numberOf } from "../formats/json/index.ts";
import { dtypeBits, parseIndex, type SafetensorsFile } from "../formats/safetensors/index.ts";
import { readChecksums, sha256Of } from "./checksums.ts";

export interface FoundProblem {
  /** A file's name, where it is known. */
  readonly file?: string;
  readonly tensor?: string;
  readonly problem: string;
}

export type AddProblem = (problem: FoundProblem) => void;

/** @returns files whose sums were looked at */
export async function checkSums(
  directory: string,
  add: AddProblem,
  signal: AbortSignal | undefined,
): Promise<number> {
  const sums = (await readChecksums(directory)) ?? [];
  for (const { path, sha256 } of sums) {
    const whole = join(directory, path);
    const isThere = await stat(whole).then(
      (stats) => stats.isFile(),
      () => false,
    );
    if (!isThere) add({ file: path, problem: "SHA256SUMS lists it, and it is missing" });
    else if ((await sha256Of(whole, signal)) !== sha256) {
      add({ file: path, problem: "its SHA-256 is not the one in SHA256SUMS" });
    }
  }
  return sums.length;
}

/** Loaders map files into memory: numbers must lie where a machine can read them. */
export function checkAlignment(
  { source, table, dataStart }: SafetensorsFile,
  add: AddProblem,
): void {
  const file = basename(source.name);
  if (dataStart % 8 !== 0) {
    add({ file, problem: `its tensors begin at byte ${dataStart}, which is no multiple of 8` });
  }
  for (let i = 0; i < table.length; i++) {
    const { name, dtype, begin, end } = table.at(i);
    const itemBytes = Math.max(1, dtypeBits(dtype) / 8);
    if (begin === end || (dataStart + begin) % itemBytes === 0) continue;
    const problem = `it begins at byte ${dataStart + begin}, which is no multiple of ${itemBytes}`;
    add({ file, tensor: name, problem });
  }
}

/** That the index fits the shards is looked at when a model is opened. */
export async function checkIndex(
  directory: string,
  files: readonly SafetensorsFile[],
  add: AddProblem,
): Promise<void> {
  const names: readonly string[] = await readdir(directory).catch(() => []);
  if (!names.includes(INDEX_NAME)) return;
  const path = join(directory, INDEX_NAME);
  const { metadata } = parseIndex(await readFile(path), path);
  const said = numberOf(memberOf(metadata, "total_size"));
  const bytes = files.reduce((sum, { table }) => sum + table.dataBytes, 0);
  if (said !== bytes) {
    add({ file: INDEX_NAME, problem: `its total_size is ${said}, and the tensors have ${bytes}` });
  }
  const own = new Set(files.map(({ source }) => basename(source.name)));
  for (const name of names.filter((each) => each.endsWith(".safetensors"))) {
    if (!own.has(name)) add({ file: name, problem: `${INDEX_NAME} does not list it` });
  }
}
