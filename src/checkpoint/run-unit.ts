/** Carries one unit from its reader to its writer, reading, computing and writing at once. */

import { floatBytes } from "../foundation/dtype.ts";
import type { QuantizationError } from "../metrics/quantization-error.ts";
import { TensorEncoder } from "../tensor/tensor-encoder.ts";
import type { Workspace } from "../tensor/workspace.ts";
import type { TensorReader } from "./tensor-reader.ts";
import { encodeJobOf, finalPartsOf, type JobCoding, type Unit } from "./unit.ts";
import type { UnitWriter } from "./unit-writer.ts";

export interface RunOptions {
  readonly coding: JobCoding;
  readonly allowNonFinite?: boolean | undefined;
  /** Look at the error of quantized tensors. */
  readonly measureError?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of source bytes that a step took. */
  readonly onBytes?: ((byteCount: number) => void) | undefined;
}

/** Bytes of a copied tensor that are in flight at once, twice. */
const COPY_BYTES = 1 << 20;

/** @returns the tensor's error when it was quantized and that was asked for */
export async function runUnit(
  unit: Unit,
  reader: TensorReader,
  writer: UnitWriter,
  workspace: Workspace,
  options: RunOptions,
): Promise<QuantizationError | undefined> {
  if (unit.action === "copy") {
    await copyUnit(unit, reader, writer, options);
    return undefined;
  }
  const { coding, allowNonFinite, measureError } = options;
  const job = encodeJobOf(unit, coding);
  const encoder = new TensorEncoder(workspace, { ...job, allowNonFinite, measureError });
  const itemBytes = floatBytes(job.dtype);
  await pipeline(job.elementCount, encoder.tileElements, itemBytes, options, {
    inPlace: false,
    read: (slot, count) => reader.fill(encoder.input(slot, count)),
    write: (slot, count) => writer.write(encoder.encode(slot, count)),
  });
  const scales = encoder.finish();
  await writer.finish(finalPartsOf(unit, coding, scales, writer.quantStateBytes));
  return scales.error;
}

async function copyUnit(
  { entry }: Unit,
  reader: TensorReader,
  writer: UnitWriter,
  options: RunOptions,
): Promise<void> {
  const byteCount = entry.end - entry.begin;
  const tile = Math.min(COPY_BYTES, byteCount);
  const buffers = [new Uint8Array(tile), new Uint8Array(byteCount > tile ? tile : 0)] as const;
  await pipeline(byteCount, tile, 1, options, {
    inPlace: true,
    read: (slot, count) => reader.fill(buffers[slot].subarray(0, count)),
    write: (slot, count) => writer.write(buffers[slot].subarray(0, count)),
  });
  await writer.finish(new Map());
}

/** What happens to a slot; `write` computes synchronously before it returns its promise. */
interface Steps {
  /** The slot is read into and written from: it is free only when its write is through. */
  readonly inPlace: boolean;
  read(slot: 0 | 1, elementCount: number): Promise<void>;
  write(slot: 0 | 1, elementCount: number): Promise<void>;
}

/**
 * Two slots: while one tile is computed and written, the next is read. On failure the writes are
 * awaited, so that a sink can be closed; a read is not, because a stalled stream may never answer:
 * the workspace must not be used again.
 */
async function pipeline(
  elementCount: number,
  tileElements: number,
  itemBytes: number,
  { signal, onBytes }: RunOptions,
  steps: Steps,
): Promise<void> {
  const countAt = (start: number) => Math.min(tileElements, elementCount - start);
  const writes: [Promise<void> | undefined, Promise<void> | undefined] = [undefined, undefined];
  let slot: 0 | 1 = 0;
  let reading = elementCount > 0 ? watched(steps.read(slot, countAt(0))) : undefined;
  try {
    for (let start = 0; start < elementCount; start += tileElements) {
      signal?.throwIfAborted();
      await reading;
      const other: 0 | 1 = slot === 0 ? 1 : 0;
      const next = start + tileElements;
      if (steps.inPlace) await writes[other];
      reading = next < elementCount ? watched(steps.read(other, countAt(next))) : undefined;
      await writes[slot];
      const count = countAt(start);
      writes[slot] = watched(steps.write(slot, count));
      onBytes?.(count * itemBytes);
      slot = other;
    }
    await Promise.all(writes);
  } finally {
    await Promise.allSettled(writes);
  }
}

/** A promise whose failure may come before anybody awaits it: that is no unhandled rejection. */
function watched(promise: Promise<void>): Promise<void> {
  promise.catch(() => {});
  return promise;
}
