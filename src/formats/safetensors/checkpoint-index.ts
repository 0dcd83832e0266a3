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
  const sizes =
    totalParameters === undefined ? "" : `    "total_parameters": ${totalParameters},\n`;
  const head = `{\n  "metadata": {\n${sizes}    "total_size": ${totalSize}\n  },\n  "weight_map": {`;
  const tail = `${weightMap.size === 0 ? "}" : "\n  }"}\n}\n`;

  const shardTexts = new Map<string, string>();
  for (const shard of new Set(weightMap.values())) {
    const problem = shardNameProblem(shard);
    if (problem !== undefined) throw new ArgumentError("weightMap", problem, shard);
    shardTexts.set(shard, pythonString(shard));
  }
  const names = [...weightMap.keys()].sort(compareCodePoints);
  const lineOf = (name: string, position: number): string => {
    const shard = shardTexts.get(weightMap.get(name) as string);
    return `${position === 0 ? "\n" : ",\n"}    ${pythonString(name)}: ${shard}`;
  };

  // Everything is ASCII: units are bytes. Two passes keep one copy in memory.
  let byteCount = head.length + tail.length;
  names.forEach((name, position) => {
    byteCount += lineOf(name, position).length;
  });
  const bytes = new Uint8Array(byteCount);
  const encoder = new TextEncoder();
  let at = 0;
  const put = (text: string): void => {
    at += encoder.encodeInto(text, bytes.subarray(at)).written;
  };
  put(head);
  names.forEach((name, position) => {
    put(lineOf(name, position));
  });
  put(tail);
  return bytes;
}
