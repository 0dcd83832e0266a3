/** A thread's work: one part of a tensor, from weights to codes and scales. */

import { floatBytes } from "../foundation/dtype.ts";
import { NonFiniteError, UnsupportedError } from "../foundation/errors.ts";
import { elementCountOf } from "../foundation/shape.ts";
import { codeBytesOf } from "../tensor/code-bytes.ts";
import { sharedWorkspace } from "../tensor/default-workspace.ts";
import type { EncodedScales } from "../tensor/encoder.ts";
import { newEncoder } from "../tensor/new-encoder.ts";
import type { EncodedPart } from "../tensor/part-encoder.ts";
import type { EncodeReply, EncodeRequest, Failure } from "./messages.ts";

/** Never throws: what goes wrong is part of the answer. */
export function answer(request: EncodeRequest): EncodeReply {
  const { id } = request;
  try {
    return { id, part: encodePart(request) };
  } catch (error) {
    return { id, failure: failureOf(error) };
  }
}

/** The buffers of a reply that change hands with it. */
export function transferOf(reply: EncodeReply): ArrayBuffer[] {
  if ("failure" in reply) return [];
  const { codes, values, scales } = reply.part;
  return [values, codes.buffer, ...Object.values(arraysOf(scales)).map(({ buffer }) => buffer)];
}

export function encodePart({ job, values, kernels }: EncodeRequest): EncodedPart {
  const workspace = sharedWorkspace(kernels);
  const encoder = newEncoder(workspace, job);
  const elementCount = elementCountOf(job.shape);
  const itemBytes = floatBytes(job.dtype);
  const codes = new Uint8Array(codeBytesOf(job.coding.quantType, elementCount));
  let written = 0;
  for (let start = 0; start < elementCount; ) {
    const count = encoder.tileAt(start);
    const tile = new Uint8Array(values, start * itemBytes, count * itemBytes);
    encoder.input(0, count).set(tile);
    const encoded = encoder.encode(0, count);
    codes.set(encoded, written);
    written += encoded.byteLength;
    start += count;
  }
  const { scales, sums } = encoder.finish();
  const { report } = workspace;
  return { codes, scales, values, report, ...(sums === undefined ? {} : { sums }) };
}

function arraysOf(scales: EncodedScales): Record<string, { readonly buffer: ArrayBuffer }> {
  const arrays = Object.entries(scales).filter(([, value]) => ArrayBuffer.isView(value));
  return Object.fromEntries(arrays);
}

function failureOf(error: unknown): Failure {
  if (error instanceof NonFiniteError) {
    const { message, tensor, index } = error;
    return { kind: "nonFinite", message, tensor, index };
  }
  if (error instanceof UnsupportedError) return { kind: "unsupported", message: error.message };
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { kind: "unexpected", message };
}
