/** Readers of a unit's bytes: from a file, or from the stream that brings them. */

import type { SafetensorsFile } from "../formats/safetensors/index.ts";
import { bytesSource } from "../foundation/byte-source.ts";
import { floatBytes } from "../foundation/dtype.ts";
import { PlanError, quoted } from "../foundation/errors.ts";
import type { ByteStream } from "./byte-stream.ts";
import { sourceReader, type TensorReader, TransposingReader } from "./tensor-reader.ts";
import { floatDtypeOf, type Unit } from "./unit.ts";

/** A reader of the unit's bytes in a file, transposing where the unit asks for it. */
export function unitReader(unit: Unit, { source, dataStart }: SafetensorsFile): TensorReader {
  const { entry, transpose } = unit;
  const position = dataStart + entry.begin;
  if (!transpose) return sourceReader(source, position);
  const shape = entry.shape as readonly [number, number];
  return new TransposingReader(source, position, shape, floatBytes(floatDtypeOf(entry)));
}

/** A reader of the unit's bytes, which are the stream's next ones. */
export async function streamReader(
  input: ByteStream,
  unit: Unit,
  maxTensorBytes: number,
): Promise<TensorReader> {
  const { entry } = unit;
  if (!unit.transpose) return { fill: (target) => input.fill(target, entry.name) };
  const byteCount = entry.end - entry.begin;
  if (byteCount > maxTensorBytes) {
    throw new PlanError(
      `tensor ${quoted(entry.name)}: Conv1D weights are stored transposed, so a stream must hold ` +
        `all of its ${byteCount} bytes, and maxTensorBytes allows ${maxTensorBytes}; ` +
        "raise it, or convert from a file",
    );
  }
  const whole = new Uint8Array(byteCount);
  await input.fill(whole, entry.name);
  const shape = entry.shape as readonly [number, number];
  return new TransposingReader(bytesSource(whole), 0, shape, floatBytes(floatDtypeOf(entry)));
}
