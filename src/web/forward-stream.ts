/** The one file of a model whose server ignores ranges, from front to back. */

import { ByteStream } from "../checkpoint/byte-stream.ts";
import type { OpenedModel } from "../checkpoint/opened-model.ts";
import { sourceStream } from "./source-stream.ts";

export function forwardStream({ files }: OpenedModel, signal: AbortSignal | undefined): ByteStream {
  const [file] = files;
  if (file === undefined || files.length > 1) throw new Error("unreachable: not one file");
  return new ByteStream(sourceStream(file.source), file.source.name, signal);
}
