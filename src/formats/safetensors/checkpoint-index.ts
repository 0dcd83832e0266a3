/** `model.safetensors.index.json`: which shard file holds which tensor. */

import { ArgumentError, FormatError } from "../../foundation/errors.ts";
import { pythonString } from "../json/python.ts";
import { JsonTokenizer } from "../json/tokenizer.ts";
import { compareCodePoints } from "../json/utf8.ts";
import { type CheckpointIndex, IndexHandler } from "./index-handler.ts";
import { MAX_INDEX_BYTES } from "./limits.ts";
import { shardNameProblem } from "./shard-name.ts";

export type { CheckpointIndex };

/**
 * Reads an index. Shard names are plain file names ending in `.safetensors`: nothing that leaves
 * the directory gets through.
 *
 * @throws FormatError, also for a tensor or any other key listed twice
 */
export function parseIndex(bytes: Uint8Array, fileName: string): CheckpointIndex {
  if (bytes.byteLength > MAX_INDEX_BYTES) {
    const problem = `an index of ${bytes.byteLength} bytes, at most ${MAX_INDEX_BYTES} are allowed`;
    throw new FormatError(problem, { file: fileName });
  }
  const handler = new IndexHandler(fileName);
  const tokenizer = new JsonTokenizer(handler, { allowNonFinite: true });
  tokenizer.push(bytes);
  tokenizer.finish();
  return handler.finish();
}

export interface CheckpointIndexToWrite {
  /** Bytes of all tensors. */
  readonly totalSize: number;
  /** Elements of all parameters; newer transformers write it too. */
  readonly totalParameters?: number | undefined;
  /** Tensor name → shard file name, in any order. */
  readonly weightMap: ReadonlyMap<string, string>;
}

/**
 * The bytes that transformers writes: `json.dumps(index, indent=2, sort_keys=True) + "\n"`.
 *
 * @throws ArgumentError for sizes that are no whole numbers, or a shard name that `parseIndex`
 *   would refuse
 */
export function encodeIndex(index: CheckpointIndexToWrite): Uint8Array<ArrayBuffer> {
  const { totalSize, totalParameters, weightMap } = index;
  for (const [key, value] of Object.entries({ totalSize, totalParameters: totalParameters ?? 0 })) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new ArgumentError(key, "a whole number from 0 to 2^53 − 1", value);
    }
  }
  const names = [...weightMap.keys()].sort(compareCodePoints);
  const entries = names.map((name) => [name, weightMap.get(name) as string] as const);
  const chunks = [...encodeIndexChunks(entries, totalSize, totalParameters)];
  const bytes = new Uint8Array(chunks.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

/** Text gathered before it is encoded, in characters. */
const BATCH_CHARACTERS = 1 << 16;

/**
 * As `encodeIndex`, piece by piece: an index of millions of tensors is never held as a whole.
 *
 * @param entries tensor name and shard file name, ascending by name in code points
 * @throws ArgumentError for a shard name that `parseIndex` would refuse
 */
export function* encodeIndexChunks(
  entries: Iterable<readonly [string, string]>,
  totalSize: number,
  totalParameters?: number,
): Generator<Uint8Array<ArrayBuffer>, void, undefined> {
  const encoder = new TextEncoder();
  const sizes =
    totalParameters === undefined ? "" : `    "total_parameters": ${totalParameters},\n`;
  let text = `{\n  "metadata": {\n${sizes}    "total_size": ${totalSize}\n  },\n  "weight_map": {`;
  const shardTexts = new Map<string, string>();
  let isFirst = true;
  for (const [name, shard] of entries) {
    let shardText = shardTexts.get(shard);
    if (shardText === undefined) {
      const problem = shardNameProblem(shard);
      if (problem !== undefined) throw new ArgumentError("weightMap", problem, shard);
      shardText = pythonString(shard);
      shardTexts.set(shard, shardText);
    }
    text += `${isFirst ? "\n" : ",\n"}    ${pythonString(name)}: ${shardText}`;
    isFirst = false;
    if (text.length < BATCH_CHARACTERS) continue;
    yield encoder.encode(text);
    text = "";
  }
  yield encoder.encode(`${text}${isFirst ? "}" : "\n  }"}\n}\n`);
}
