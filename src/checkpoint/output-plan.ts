/** Which units go to which output file, and how large the files become. */

import { WRITTEN_HEADER_BYTES_MAX } from "../formats/safetensors/index.ts";
import type { ByteSink } from "../foundation/byte-source.ts";
import type { ConversionPlan } from "./conversion-plan.ts";
import { ExactFile, headerBytesOf } from "./exact-file.ts";
import { FileRows, type OutputsOf } from "./file-rows.ts";
import { layoutForward } from "./forward-layout.ts";
import {
  DEFAULT_MAX_SHARD_BYTES,
  type ShardItem,
  shardFileName,
  splitIntoShards,
} from "./shards.ts";
import type { TextSize } from "./unit.ts";

/** One output file. */
export interface OutputFile {
  readonly name: string;
  /** Indices of its units in the plan. */
  readonly units: Int32Array;
}

/** A header entry's bytes beside the name: dtype, brackets, and numbers of up to 16 digits. */
const ENTRY_BYTES = 90;

/**
 * Splits a plan into shards. Sizes are counted with the longest texts, so the split does not
 * depend on the data, nor on the kind of sink.
 *
 * @param maxShardBytes of data in a file; a layer that alone is larger gets its own file
 */
export function outputFiles(
  plan: ConversionPlan,
  maxShardBytes: number = DEFAULT_MAX_SHARD_BYTES,
): OutputFile[] {
  const limits = {
    dataBytes: maxShardBytes,
    headerBytes: WRITTEN_HEADER_BYTES_MAX - HEADER_SLACK_BYTES,
  };
  const shards = splitIntoShards(shardItems(plan), limits);
  return shards.map((units, index) => ({ name: shardFileName(index, shards.length), units }));
}

/** The metadata and the padding. */
const HEADER_SLACK_BYTES = 1000;

/** All units in one file of that name. */
export function singleOutputFile(plan: ConversionPlan, name: string): OutputFile {
  return { name, units: Int32Array.from({ length: plan.length }, (_, index) => index) };
}

function* shardItems(plan: ConversionPlan): Generator<ShardItem> {
  for (const unit of plan.units()) {
    let dataBytes = 0;
    let headerBytes = 0;
    for (const { name, shape, byteLength } of plan.outputs(unit, "longest")) {
      dataBytes += byteLength;
      // Non-ASCII and escaped characters take up to 6 bytes.
      headerBytes += name.length * (isPlain(name) ? 1 : 6) + ENTRY_BYTES + shape.length * 17;
    }
    yield { name: unit.entry.name, dataBytes, headerBytes };
  }
}

function isPlain(name: string): boolean {
  return /^[\w.\-/]*$/.test(name);
}

/** Sizes of the files, and by how much at most they may turn out smaller. */
export interface OutputSizes {
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  readonly totalBytes: number;
  /** 0: the sizes are exact. */
  readonly slackBytes: number;
}

/** Sizes of files with the reference writer's layout. */
export function exactSizes(plan: ConversionPlan, files: readonly OutputFile[]): OutputSizes {
  const sizes = files.map((file) => ({ name: file.name, bytes: sizeOf(plan, file, "longest") }));
  const shortest = files.reduce((sum, file) => sum + sizeOf(plan, file, "shortest"), 0);
  const { totalBytes } = withTotal(sizes, 0);
  return withTotal(sizes, totalBytes - shortest);
}

function sizeOf(plan: ConversionPlan, { name, units }: OutputFile, text: TextSize): number {
  const rows = new FileRows(units, (index, size) => plan.outputs(plan.unit(index), size));
  let dataBytes = 0;
  for (const { end } of rows.entries(text)) dataBytes = end;
  return headerBytesOf(rows.entries(text), plan.metadata(units), name) + dataBytes;
}

/** Size of a forward-only file; always exact. */
export function forwardSizes(plan: ConversionPlan, name: string): OutputSizes {
  const { entries } = layoutForward(plan);
  const dataBytes = entries.at(-1)?.end ?? 0;
  return withTotal(
    [{ name, bytes: headerBytesOf(entries, plan.metadata(plan.indices()), name) + dataBytes }],
    0,
  );
}

function withTotal(files: OutputSizes["files"], slackBytes: number): OutputSizes {
  return { files, totalBytes: files.reduce((sum, { bytes }) => sum + bytes, 0), slackBytes };
}

/** The layout of one output file. */
export function exactFile(
  plan: ConversionPlan,
  file: OutputFile,
  sink: ByteSink,
  inOrder: boolean,
): ExactFile {
  const outputsOf: OutputsOf = (index, text) => plan.outputs(plan.unit(index), text);
  return new ExactFile(sink, file.units, outputsOf, plan.metadata(file.units), inOrder);
}
