/** What a checkpoint directory has beside its weights. */

import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ConversionPlan } from "../checkpoint/conversion-plan.ts";
import type { WrittenFile } from "../checkpoint/convert.ts";
import { INDEX_NAME } from "../checkpoint/model-files.ts";
import type { OutputFile } from "../checkpoint/output-plan.ts";
import { weightMapEntries } from "../checkpoint/weight-map.ts";
import { encodeIndexChunks } from "../formats/safetensors/index.ts";
import type { ModelInput } from "./model-input.ts";
import type { PendingOutput } from "./output.ts";
import { storageError } from "./storage-error.ts";

/** The index of several shards; a single file needs none. */
export async function writeIndex(
  pending: PendingOutput,
  plan: ConversionPlan,
  outputs: readonly OutputFile[],
  files: readonly WrittenFile[],
): Promise<void> {
  if (files.length < 2) return;
  const totalSize = files.reduce((sum, { dataBytes }) => sum + dataBytes, 0);
  const entries = weightMapEntries(plan, outputs);
  const sink = await pending.create(INDEX_NAME);
  let position = 0;
  for (const chunk of encodeIndexChunks(entries, totalSize)) {
    await sink.write(chunk, position);
    position += chunk.byteLength;
  }
  await sink.close();
}

export async function writeConfig(pending: PendingOutput, text: string): Promise<void> {
  const path = join(pending.path, "config.json");
  try {
    await writeFile(path, text, { flush: true });
  } catch (cause) {
    throw storageError("cannot write", path, cause);
  }
}

/** Tokenizer and whatever else lies beside the weights. */
export async function copySidecars(
  pending: PendingOutput,
  model: ModelInput,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const path of model.sidecars) {
    signal?.throwIfAborted();
    const target = join(pending.path, path);
    try {
      await mkdir(dirname(target), { recursive: true });
      await model.copySidecar(path, target);
    } catch (cause) {
      signal?.throwIfAborted();
      throw storageError("cannot copy", path, cause);
    }
  }
}
