/** Opens a GGUF model: a file, its parts, or one at an address. */

import { basename, dirname, join } from "node:path";
import {
  type GgufFile,
  type GgufMetadata,
  joinParts,
  openGguf,
  partCountOf,
  partNames,
} from "../formats/gguf/index.ts";
import { ArgumentError } from "../foundation/errors.ts";
import { modelTensors } from "../gguf/job.ts";
import type { ModelTensor } from "../gguf/plan.ts";
import { isWebModel } from "../web/model-place.ts";
import { openFileSource } from "./file-source.ts";
import { openWebFile, type WebInputOptions } from "./web-input.ts";

export interface GgufInput {
  /** Of the whole model. */
  readonly metadata: GgufMetadata;
  /** Of all files, in their order. */
  readonly tensors: readonly ModelTensor[];
  readonly files: readonly GgufFile[];
  /** False: the one file can only be read from front to back. */
  readonly hasRanges: boolean;
  close(): Promise<void>;
}

/**
 * @param input the path of a .gguf file, of the first of several parts, or the URL of a file
 * @throws ArgumentError, StorageError, FormatError, or the signal's reason
 */
export async function openGgufInput(
  input: string,
  options: WebInputOptions = {},
): Promise<GgufInput> {
  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    await Promise.all(closers.map((closeOne) => closeOne()));
  };
  try {
    if (isWebModel(input)) {
      const source = await openWebFile(input, options);
      closers.push(() => source.close());
      const file = await openGguf(source);
      if (partCountOf(file) > 1) {
        throw new ArgumentError("model", "a file that is whole; download the parts", input);
      }
      return { ...modelOf([file]), hasRanges: source.hasRanges, close };
    }
    const openPart = async (path: string) => {
      const source = await openFileSource(path);
      closers.push(() => source.close());
      return openGguf(source);
    };
    const files = [await openPart(input)];
    const [, ...others] = partNames(basename(input), partCountOf(files[0] as GgufFile));
    for (const name of others) files.push(await openPart(join(dirname(input), name)));
    return { ...modelOf(files), hasRanges: true, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function modelOf(files: readonly GgufFile[]) {
  const tensors = modelTensors(files.map(({ header }) => header));
  return { files, tensors, metadata: joinParts(files) };
}
