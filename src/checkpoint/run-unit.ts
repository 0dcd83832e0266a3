/** Carries one unit from its reader to its writer, reading, computing and writing at once. */

import { floatBytes } from "../foundation/dtype.ts";
import type { QuantizationError } from "../metrics/quantization-error.ts";
import { newEncoder } from "../tensor/new-encoder.ts";
import type { Workspace } from "../tensor/workspace.ts";
import type { TensorReader } from "./tensor-reader.ts";
import { encodeJobOf, finalPartsOf, type Unit } from "./unit.ts";
import type { OpenReader } from "./unit-reader.ts";
import type { UnitWriter } from "./unit-writer.ts";

export interface RunOptions {
  readonly allowNonFinite?: boolean | undefined;
  /** Look at the error of quantized tensors. */
  readonly measureError?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of source bytes that a step took. */
  readonly onBytes?: ((byteCount: number) => void) | undefined;
}

/** Bytes of a copied tensor that are in flight at once, twice. */
const COPY_BYTES = 1 << 20;

/** What is known of a unit once it is through. */
export interface UnitResult {
  /** When it was quantized and that was asked for. */
  readonly error?: QuantizationError | undefined;
  /** Bytes of its JSON text, when it has one. */
  readonly textBytes?: number | undefined;
}

export async function runUnit(
  unit: Unit,
  open: OpenReader,
  writer: UnitWriter,
  workspace: Workspace,
  options: RunOptions,
): Promise<UnitResult> {
  const { treatment } = unit;
  if (treatment === undefined) {
    await copyUnit(unit, open(), writer, options);
    return {};
  }
  const { allowNonFinite, measureError } = options;
  const job = encodeJobOf(unit, treatment);
  const encoder = newEncoder(workspace, { ...job, allowNonFinite, measureError });
  const itemBytes = floatBytes(job.dtype);
  const tileAt = (start: number) => encoder.tileAt(start);
  if (encoder.observes) {
    const reader = open();
    await pipeline(
      tileAt,
      itemBytes,
      { ...options, onBytes: undefined },
      {
        inPlace: false,
        read: (slot, count) => reader.fill(encoder.input(slot, count)),
        write: (slot, count) => {
          encoder.observe(slot, count);
          return Promise.resolve();
        },
      },
    );
  }
  const reader = open();
  await pipeline(tileAt, itemBytes, options, {
    inPlace: false,
    read: (slot, count) => reader.fill(encoder.input(slot, count)),
    write: (slot, count) => writer.write(encoder.encode(slot, count)),
  });
  const { scales, error } = encoder.finish();
  const parts = finalPartsOf(unit, treatment, scales, writer.quantStateBytes);
  await writer.finish(parts);
  return { error, textBytes: parts.get("quantState")?.byteLength };
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
  await pipeline((start) => Math.min(tile, byteCount - start), 1, options, {
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
  tileAt: (start: number) => number,
  itemBytes: number,
  { signal, onBytes }: RunOptions,
  steps: Steps,
): Promise<void> {
  const writes: [Promise<void> | undefined, Promise<void> | undefined] = [undefined, undefined];
  let slot: 0 | 1 = 0;
  let count = tileAt(0);
  let reading = count > 0 ? watched(steps.read(slot, count)) : undefined;
  try {
    for (let start = 0; count > 0; ) {
      signal?.throwIfAborted();
      await reading;
      const other: 0 | 1 = slot === 0 ? 1 : 0;
      start += count;
      const nextCount = tileAt(start);
      if (steps.inPlace) await writes[other];
      reading = nextCount > 0 ? watched(steps.read(other, nextCount)) : undefined;
      await writes[slot];
      writes[slot] = watched(steps.write(slot, count));
      onBytes?.(count * itemBytes);
      count = nextCount;
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
