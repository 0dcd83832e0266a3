/** An object of R2 from front to back, by ranges of the one version that was seen first. */

import { Problem } from "./problem.js";

/** Each range is a request, and a Worker has 1,000 of them: this lets it read 30 GB. */
const RANGE_BYTES = 32 << 20;

/**
 * @param source what `head` said of the object
 * @returns the bytes, and the error that ended them: a stream of Cloudflare's own hands on its words
 * alone
 */
export function objectStream(bucket, source) {
  const { readable, writable } = new IdentityTransformStream();
  const stream = { readable, failure: undefined };
  sendRanges(bucket, source, writable).catch((error) => {
    stream.failure = error;
    return writable.abort(error).catch(() => {});
  });
  return stream;
}

async function sendRanges(bucket, { key, size, etag }, writable) {
  for (let offset = 0; offset < size; offset += RANGE_BYTES) {
    const range = { offset, length: Math.min(RANGE_BYTES, size - offset) };
    const part = await bucket.get(key, { range, onlyIf: { etagMatches: etag } });
    if (part?.body === undefined) {
      throw new Problem(409, `${key} changed while it was read; ask again`);
    }
    // Bytes that never come by JavaScript.
    await part.body.pipeTo(writable, { preventClose: true });
  }
  await writable.close();
}
