/** Finds tensors by name in all files of a checkpoint: a weight's parts may lie in other shards. */

import {
  readTensor,
  type SafetensorsFile,
  type TensorEntry,
} from "../../formats/safetensors/index.ts";
import { ArgumentError, FormatError, PlanError } from "../../foundation/errors.ts";

/** A tensor and the file that holds it. */
export interface Located {
  readonly file: SafetensorsFile;
  readonly entry: TensorEntry;
}

export class TensorFinder {
  readonly files: readonly SafetensorsFile[];

  constructor(files: readonly SafetensorsFile[]) {
    this.files = files;
  }

  find(name: string): Located | undefined {
    for (const file of this.files) {
      const index = file.table.indexOf(name);
      if (index >= 0) return { file, entry: file.table.at(index) };
    }
    return undefined;
  }

  /** @throws FormatError naming the part that is missing, and whose it is */
  need(name: string, whose: string, file: string): Located {
    const found = this.find(name);
    if (found !== undefined) return found;
    throw new FormatError(`its part "${name}" is missing; the checkpoint is not whole`, {
      file,
      tensor: whose,
    });
  }
}

/** The bytes of a part, having checked that there are as many as its weight needs. */
export async function partBytes(
  { file, entry }: Located,
  byteLength: number,
  whose: string,
): Promise<Uint8Array> {
  const stored = entry.end - entry.begin;
  if (stored !== byteLength) {
    const problem = `its part "${entry.name}" has ${stored} bytes, and ${byteLength} fit its shape`;
    throw new FormatError(problem, { file: file.source.name, tensor: whose });
  }
  return readTensor(file, entry);
}

/** Checks by the header alone that a part has this dtype, and as many elements as its weight needs. */
export function expectPart(
  part: Located,
  dtype: keyof typeof ITEM_BYTES,
  elements: number,
  whose: string,
): void {
  expectDtype(part, [dtype], whose);
  const { file, entry } = part;
  const stored = (entry.end - entry.begin) / ITEM_BYTES[dtype];
  if (stored === elements) return;
  const problem = `its part "${entry.name}" has ${stored} elements, and ${elements} fit its shape`;
  throw new FormatError(problem, { file: file.source.name, tensor: whose });
}

const ITEM_BYTES = { U8: 1, I8: 1, F16: 2, BF16: 2, I32: 4, F32: 4 } as const;

/** What the library refuses of a file's content is the file's fault, not the caller's. */
export function blamed<Result>(
  file: string,
  tensor: string | undefined,
  make: () => Result,
): Result {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof ArgumentError || error instanceof PlanError)) throw error;
    throw new FormatError(error.message, { file, tensor }, { cause: error });
  }
}

/** @throws FormatError unless the part has that dtype */
export function expectDtype(
  { file, entry }: Located,
  allowed: readonly string[],
  whose: string,
): void {
  if (allowed.includes(entry.dtype)) return;
  const problem = `its part "${entry.name}" is ${entry.dtype}, expected ${allowed.join(" or ")}`;
  throw new FormatError(problem, { file: file.source.name, tensor: whose });
}

/** f32 values of little-endian bytes, copied to where they are aligned. */
export function floatsOf(bytes: Uint8Array): Float32Array {
  return new Float32Array(bytes.slice().buffer);
}
