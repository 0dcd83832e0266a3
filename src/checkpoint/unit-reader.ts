/** Readers of a unit's bytes: from a file, or from the stream that brings them. */

import type { SafetensorsFile } from "../formats/safetensors/index.ts";
import { type ByteSource, bytesSource } from "../foundation/byte-source.ts";
import { floatBytes } from "../foundation/dtype.ts";
import { PlanError, quoted } from "../foundation/errors.ts";
import { readsTwice } from "../tensor/new-encoder.ts";
import type { ByteStream } from "./byte-stream.ts";
import { sourceReader, type TensorReader, TransposingReader } from "./tensor-reader.ts";
import { encodeJobOf, floatDtypeOf, type Unit } from "./unit.ts";

/** Opens the unit's bytes, as often as it is called; transposing where the unit asks for it. */
export type OpenReader = () => TensorReader;

/** The unit's bytes in a file. */
export function unitReader(unit: Unit, { source, dataStart }: SafetensorsFile): OpenReader {
  const { entry, transpose } = unit;
  const position = dataStart + entry.begin;
  if (!transpose) return () => sourceReader(source, position);
  return transposing(unit, source, position);
}

/**
 * The unit's bytes, which are the stream's next ones. A tensor that must be read in another order,
 * or twice, is held in memory; any other can be opened once.
 *
 * @throws PlanError for a tensor that would have to be held and is too large for that
 */
export async function streamReader(
  input: ByteStream,
  unit: Unit,
  maxTensorBytes: number,
): Promise<OpenReader> {
  const { entry } = unit;
  if (whyWhole(unit) === undefined) {
    return () => ({ fill: (target) => input.fill(target, entry.name) });
  }
  refuseTooLarge(unit, maxTensorBytes);
  const byteCount = entry.end - entry.begin;
  const whole = new Uint8Array(byteCount);
  await input.fill(whole, entry.name);
  const source = bytesSource(whole);
  return unit.transpose ? transposing(unit, source, 0) : () => sourceReader(source, 0);
}

/**
 * Refuses a plan that a stream cannot follow, before its first byte is written.
 *
 * @throws PlanError naming the tensor that would have to be held and is too large for that
 */
export function refuseTooLargeUnits(units: Iterable<Unit>, maxTensorBytes: number): void {
  for (const unit of units) refuseTooLarge(unit, maxTensorBytes);
}

function refuseTooLarge(unit: Unit, maxTensorBytes: number): void {
  const { name, begin, end } = unit.entry;
  if (end - begin <= maxTensorBytes) return;
  const reason = whyWhole(unit);
  if (reason === undefined) return;
  throw new PlanError(
    `tensor ${quoted(name)}: ${reason}, so a stream must hold all of its ${end - begin} bytes, ` +
      `and maxTensorBytes (--max-tensor-bytes) allows ${maxTensorBytes}; raise it, or convert ` +
      "from a file",
  );
}

/** Why a stream must hold all of a tensor; undefined when it need not. */
function whyWhole(unit: Unit): string | undefined {
  if (unit.transpose) return "Conv1D weights are stored transposed";
  const { treatment } = unit;
  if (treatment === undefined || !readsTwice(encodeJobOf(unit, treatment))) return undefined;
  return `the scales of ${unit.action} need a statistic of the whole tensor`;
}

function transposing({ entry }: Unit, source: ByteSource, position: number): OpenReader {
  const shape = entry.shape as readonly [number, number];
  const itemBytes = floatBytes(floatDtypeOf(entry));
  return () => new TransposingReader(source, position, shape, itemBytes);
}
