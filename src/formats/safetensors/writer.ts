/** Writing safetensors: the reference writer's order and offsets, and whole files to a stream. */

import { ArgumentError } from "../../foundation/errors.ts";
import { compareCodePoints } from "../json/utf8.ts";
import { DTYPES, type Dtype, dtypeRank } from "./dtypes.ts";
import { encodeHeaderChunks } from "./header-encoder.ts";
import { MAX_BYTES, MAX_NAME_BYTES } from "./limits.ts";
import { tensorBytes } from "./tensor-size.ts";
import type { TensorEntry } from "./tensor-table.ts";

/**
 * The reference writer's order: dtypes from the end of `DTYPES` to its beginning (wide elements
 * first, so that everything lies aligned), then names by code point.
 */
export function compareTensors(
  a: { readonly name: string; readonly dtype: Dtype },
  b: { readonly name: string; readonly dtype: Dtype },
): number {
  return dtypeRank(b.dtype) - dtypeRank(a.dtype) || compareCodePoints(a.name, b.name);
}

/**
 * Sorts tensors by `compareTensors` and places them one behind the other from 0.
 *
 * @throws ArgumentError for a name given twice or not allowed, an unknown dtype, a shape that is
 *   not whole numbers or has no size in bytes
 */
export function layoutTensors(
  tensors: Iterable<{
    readonly name: string;
    readonly dtype: Dtype;
    readonly shape: readonly number[];
  }>,
): TensorEntry[] {
  const sorted = [...tensors].sort(compareTensors);
  const names = new Set<string>();
  let begin = 0;
  return sorted.map(({ name, dtype, shape }) => {
    if (names.has(name)) throw new ArgumentError("tensors", "names that differ", name);
    names.add(name);
    const end = begin + checkedBytes(name, dtype, shape);
    if (end > MAX_BYTES) throw new ArgumentError("tensors", "at most 2^53 − 1 bytes", end);
    const entry = { name, dtype, shape, begin, end };
    begin = end;
    return entry;
  });
}

function checkedBytes(name: string, dtype: Dtype, shape: readonly number[]): number {
  if (name === "__metadata__" || name.includes("\0") || name.length > MAX_NAME_BYTES) {
    const allowed = `a name without NUL, up to ${MAX_NAME_BYTES} bytes, not __metadata__`;
    throw new ArgumentError("name", allowed, name);
  }
  if (dtypeRank(dtype) === -1) throw new ArgumentError("dtype", DTYPES.join(", "), dtype);
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    throw new ArgumentError(`shape of ${name}`, "whole numbers from 0 to 2^53 − 1", shape);
  }
  const bytes = tensorBytes(dtype, shape);
  if (typeof bytes === "string") {
    throw new ArgumentError(`shape of ${name}`, `a size in bytes as ${dtype}, but ${bytes}`, shape);
  }
  return bytes;
}

/** Bytes of one tensor: whole, or in chunks. */
export type TensorBytes =
  | Uint8Array
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>
  | Iterable<Uint8Array>;

export interface TensorToWrite {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Little-endian; a function is called when its turn comes. Its length must fit the shape. */
  readonly data: TensorBytes | (() => TensorBytes);
}

/**
 * Writes a whole file in the reference writer's order and closes the sink; on any error the sink is
 * aborted with it. Back-pressure is the sink's.
 *
 * @throws ArgumentError for tensors that `layoutTensors` refuses, or data of another length
 */
export async function writeSafetensors(
  sink: WritableStream<Uint8Array>,
  tensors: Iterable<TensorToWrite>,
  options: {
    readonly metadata?: ReadonlyMap<string, string>;
    readonly signal?: AbortSignal;
  } = {},
): Promise<void> {
  const writer = sink.getWriter();
  try {
    const byName = new Map<string, TensorToWrite>();
    const entries = layoutTensors(
      function* () {
        for (const tensor of tensors) {
          byName.set(tensor.name, tensor);
          yield tensor;
        }
      }.call(undefined),
    );
    const put = async (bytes: Uint8Array): Promise<void> => {
      options.signal?.throwIfAborted();
      await writer.ready;
      await writer.write(bytes);
    };
    for (const chunk of encodeHeaderChunks(entries, options.metadata)) await put(chunk);
    for (const { name, begin, end } of entries) {
      const { data } = byName.get(name) as TensorToWrite;
      let left = end - begin;
      for await (const bytes of chunksOf(typeof data === "function" ? data() : data)) {
        left -= bytes.byteLength;
        if (left < 0) break;
        await put(bytes);
      }
      if (left !== 0) {
        const expected = `${end - begin} bytes`;
        throw new ArgumentError(`data of ${name}`, expected, end - begin - left);
      }
    }
    await writer.close();
  } catch (error) {
    await writer.abort(error).catch(() => undefined);
    throw error;
  } finally {
    writer.releaseLock();
  }
}

/** Not every runtime can walk a ReadableStream with `for await`. */
async function* chunksOf(data: TensorBytes): AsyncGenerator<Uint8Array, void, undefined> {
  if (data instanceof Uint8Array) yield data;
  else if ("getReader" in data) {
    const reader = data.getReader();
    let isDone = false;
    try {
      for (;;) {
        const { done, value } = await reader.read();
        isDone = done;
        if (done) return;
        yield value;
      }
    } finally {
      if (!isDone) await reader.cancel().catch(() => undefined);
      reader.releaseLock();
    }
  } else yield* data;
}
