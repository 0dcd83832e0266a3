/** A small file at an address, whole in memory. */

import { printable, StorageError } from "../foundation/errors.ts";
import type { Answer } from "./answer.ts";
import { contentLength } from "./content-range.ts";
import { HttpStatusError } from "./http-errors.ts";
import type { HttpOptions } from "./http-options.ts";
import { HttpResource, type Notes } from "./http-resource.ts";
import { TransientError } from "./retry.ts";

export interface FetchedFile {
  /** How messages call it. */
  readonly name: string;
  /** Undefined when there is no such file. */
  readonly bytes: Uint8Array | undefined;
  readonly headers: Headers;
  readonly notes: Notes;
}

/**
 * @param maxBytes a longer one is refused
 * @throws StorageError, HttpStatusError for any status but those of a missing file, or the signal's
 * reason
 */
export async function fetchFile(
  url: string | URL,
  maxBytes: number,
  options: HttpOptions,
): Promise<FetchedFile> {
  const resource = new HttpResource(url, options);
  const { name } = resource;
  try {
    for (;;) {
      try {
        const answer = await resource.get({});
        const bytes = await wholeOf(answer, name, maxBytes);
        return { name, bytes, headers: answer.headers, notes: resource.notes };
      } catch (error) {
        if (error instanceof HttpStatusError && error.isMissing) {
          return { name, bytes: undefined, headers: new Headers(), notes: resource.notes };
        }
        await resource.attempts.failed(error);
      }
    }
  } finally {
    resource.close();
  }
}

async function wholeOf(answer: Answer, name: string, maxBytes: number): Promise<Uint8Array> {
  const expected = contentLength(answer.headers);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const chunk = (expected ?? 0) > maxBytes ? undefined : await answer.next();
    if (chunk === undefined) break;
    chunks.push(chunk);
    length += chunk.byteLength;
    if (length > maxBytes) break;
  }
  if (Math.max(length, expected ?? 0) > maxBytes) {
    answer.cancel();
    throw new StorageError(
      `cannot read ${printable(name)}: it is longer than ${maxBytes} bytes, which nothing of its ` +
        "kind is",
    );
  }
  if (expected !== undefined && length !== expected) {
    throw new TransientError(`${length} bytes came of ${expected}`);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}
