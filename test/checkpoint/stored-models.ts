/** Quantized checkpoints on disk for tests: made, torn apart, spoiled and expanded again. */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FloatDtype } from "../../src/index.ts";
import { type DequantizeModelOptions, dequantizeModel } from "../../src/node/index.ts";
import { filesBelow, temporaryFolder } from "../cli/quantwise.ts";
import { shardName, writeIndex } from "../node/models.ts";
import { fileInOrder, type ReadFile, readFile, type TestTensor } from "./safetensors-files.ts";

/** Tensors of all files of a checkpoint, and the metadata of the first file that has ours. */
export interface Stored {
  readonly tensors: readonly TestTensor[];
  readonly metadata: Readonly<Record<string, string>>;
  get(name: string): TestTensor;
}

export function readModel(folder: string): Stored {
  const files: ReadFile[] = [];
  for (const [name, bytes] of filesBelow(folder)) {
    if (name.endsWith(".safetensors")) files.push(readFile(bytes));
  }
  const tensors = files.flatMap((file) => file.tensors);
  const metadata = files.map((file) => file.metadata).find((each) => each?.quantwise !== undefined);
  return {
    tensors,
    metadata: metadata ?? { format: "pt" },
    get(name) {
      const found = tensors.find((tensor) => tensor.name === name);
      if (found === undefined) throw new Error(`no tensor ${name} in ${folder}`);
      return found;
    },
  };
}

/** Writes tensors as one file with that metadata, and a config.json. */
export function writeStored(
  tensors: readonly TestTensor[],
  metadata: Readonly<Record<string, string>> = { format: "pt" },
  config?: string,
): string {
  const folder = join(temporaryFolder(), "stored");
  mkdirSync(folder);
  // Larger items first, so that all are aligned; BigInt64Array wants it.
  const sorted = [...tensors].sort((a, b) => rank(b) - rank(a));
  writeFileSync(join(folder, "model.safetensors"), fileInOrder(sorted, metadata));
  if (config !== undefined) writeFileSync(join(folder, "config.json"), config);
  return folder;
}

function rank({ dtype }: TestTensor): number {
  return dtype.endsWith("64") ? 3 : dtype.endsWith("32") ? 2 : dtype.endsWith("16") ? 1 : 0;
}

/** The same checkpoint in as many files, its tensors dealt out: parts part from their codes. */
export function torn(from: string, count = 3): string {
  const { tensors, metadata } = readModel(from);
  const folder = join(temporaryFolder(), "torn");
  mkdirSync(folder);
  const weightMap: Record<string, string> = {};
  for (let i = 0; i < count; i++) {
    const name = shardName(i, count);
    const own = tensors.filter((_, index) => index % count === i);
    for (const tensor of own) weightMap[tensor.name] = name;
    // The last file of all describes the weights of all.
    const said = i === count - 1 ? metadata : { format: "pt" };
    writeFileSync(join(folder, name), fileInOrder(own, said));
  }
  writeIndex(folder, weightMap);
  const config = filesBelow(from).get("config.json");
  if (config !== undefined) writeFileSync(join(folder, "config.json"), config);
  return folder;
}

/** Expands a checkpoint and reads what came out. */
export async function expand(from: string, options: DequantizeModelOptions = {}): Promise<Stored> {
  const out = join(temporaryFolder(), "out");
  await dequantizeModel(from, out, options);
  return readModel(out);
}

export const SAFETENSORS_NAMES: Readonly<Record<FloatDtype, string>> = {
  float32: "F32",
  float16: "F16",
  bfloat16: "BF16",
};

export const FLOAT_NAMES: Readonly<Record<string, FloatDtype>> = {
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
};

/** A golden checkpoint's own config.json. */
export function configIn(folder: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
}
