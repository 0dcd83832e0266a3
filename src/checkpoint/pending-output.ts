/** An output in the making, and what a checkpoint directory has beside its weights. */

import { encodeIndexChunks } from "../formats/safetensors/index.ts";
import { printable, StorageError } from "../foundation/errors.ts";
import type { ConversionPlan } from "./conversion-plan.ts";
import type { FileSink, WrittenFile } from "./convert-options.ts";
import type { ConversionJournal } from "./journal.ts";
import { CHECKSUMS_NAME, CONFIG_NAME, INDEX_NAME } from "./model-files.ts";
import type { OpenedModel, SidecarSource } from "./opened-model.ts";
import type { OutputFile } from "./output-plan.ts";
import { weightMapEntries } from "./weight-map.ts";

/** A directory, or a single file, that appears when it is whole. */
export interface PendingOutput {
  /** Opens a new file, by its path below the directory; of a single-file output, the file itself. */
  create(path: string): Promise<FileSink>;
  /** Where it is noted how far the files are, when the output can be taken up again. */
  readonly journal?: ConversionJournal;
  /** Gives the output its name. */
  commit(): Promise<void>;
  /** Removes every trace, or leaves what was done to be taken up again. */
  abort(): Promise<void>;
}

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
  const sink = await pending.create(CONFIG_NAME);
  await sink.write(new TextEncoder().encode(text), 0);
  await sink.close();
}

/** Tokenizer and whatever else lies beside the weights. */
export async function copySidecars(
  pending: PendingOutput,
  model: OpenedModel,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const path of model.sidecars) {
    // Those of the old files.
    if (path === CHECKSUMS_NAME) continue;
    signal?.throwIfAborted();
    try {
      const source = await model.openSidecar(path);
      if (source !== undefined) await copy(source, await pending.create(path));
    } catch (cause) {
      signal?.throwIfAborted();
      if (cause instanceof StorageError) throw cause;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new StorageError(`cannot copy ${printable(path)}: ${reason}`, { cause });
    }
  }
}

const CHUNK_BYTES = 1 << 20;

async function copy(source: SidecarSource, sink: FileSink): Promise<void> {
  try {
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, source.size));
    for (let at = 0; at < source.size; at += chunk.byteLength) {
      const bytes = chunk.subarray(0, source.size - at);
      await source.read(bytes, at);
      await sink.write(bytes, at);
    }
    await sink.close();
  } finally {
    await source.close();
  }
}
