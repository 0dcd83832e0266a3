/** A thread's work: one part of a tensor, from weights to codes and scales. */

import type { FilePlace } from "../foundation/byte-source.ts";
import { floatBytes } from "../foundation/dtype.ts";
import { UnsupportedError } from "../foundation/errors.ts";
import { elementCountOf } from "../foundation/shape.ts";
import { codeBytesOf } from "../tensor/code-bytes.ts";
import { sharedWorkspace } from "../tensor/default-workspace.ts";
import { newEncoder } from "../tensor/new-encoder.ts";
import { type EncodedPart, handedOver } from "../tensor/part-encoder.ts";
import { failureOf } from "./failure.ts";
import type { EncodeReply, EncodeRequest } from "./messages.ts";

/** Fills `target` with the bytes at a place. @throws FormatError, StorageError */
export type ReadPlace = (place: FilePlace, target: Uint8Array) => void;

/**
 * Never throws: what goes wrong is part of the answer.
 *
 * @param readPlace where threads can read files
 */
export function answer(request: EncodeRequest, readPlace: ReadPlace = noFiles): EncodeReply {
  const { id } = request;
  try {
    return { id, part: encodePart(request, readPlace) };
  } catch (error) {
    return { id, failure: failureOf(error) };
  }
}

/** The buffers of a reply that change hands with it. */
export function transferOf(reply: EncodeReply): ArrayBuffer[] {
  if ("failure" in reply) return [];
  const { codes, weights, scales } = reply.part;
  return handedOver([codes, weights, ...Object.values(scales)]);
}

function encodePart(request: EncodeRequest, readPlace: ReadPlace): EncodedPart {
  const { job, weights, kernels } = request;
  const workspace = sharedWorkspace(kernels);
  const encoder = newEncoder(workspace, job);
  const elementCount = elementCountOf(job.shape);
  const itemBytes = floatBytes(job.dtype);
  const codes = request.codes ?? new Uint8Array(codeBytesOf(job.coding.quantType, elementCount));
  let written = 0;
  for (let start = 0; start < elementCount; ) {
    const count = encoder.tileAt(start);
    const tile = encoder.input(0, count);
    const from = start * itemBytes;
    if (weights instanceof Uint8Array) tile.set(weights.subarray(from, from + tile.byteLength));
    else readPlace({ ...weights, position: weights.position + from }, tile);
    const encoded = encoder.encode(0, count);
    codes.set(encoded, written);
    written += encoded.byteLength;
    start += count;
  }
  const { scales, sums } = encoder.finish();
  return {
    codes,
    scales,
    report: workspace.report,
    ...(weights instanceof Uint8Array ? { weights } : {}),
    ...(sums === undefined ? {} : { sums }),
  };
}

function noFiles({ path }: FilePlace): never {
  throw new UnsupportedError(`${path}: threads of this runtime cannot read files`);
}
