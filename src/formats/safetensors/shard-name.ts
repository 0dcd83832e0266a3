/** Which file names an index may point to. */

import { utf8ByteLength } from "../json/utf8.ts";
import { MAX_SHARD_NAME_BYTES } from "./limits.ts";

/** What is expected of `name` that it is not; undefined when it is a plain shard file name. */
export function shardNameProblem(name: string): string | undefined {
  const byteCount = utf8ByteLength(name);
  if (byteCount === -1 || byteCount > MAX_SHARD_NAME_BYTES) {
    return `a shard file name of at most ${MAX_SHARD_NAME_BYTES} bytes`;
  }
  if (!name.endsWith(".safetensors") || name === ".safetensors") {
    return "a shard file name that ends in .safetensors";
  }
  // A colon is a drive letter or a stream on Windows.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  if (/[/\\:\u0000-\u001f\u007f]/.test(name) || name.startsWith("..")) {
    return "a plain shard file name in the index's directory, without / \\ : or control characters";
  }
  return undefined;
}
