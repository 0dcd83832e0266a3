/** One object of the bucket, quantized into another. */

import { multipartSink, r2Target } from "quantwise/web";
import { objectStream } from "./object.js";
import { Problem } from "./problem.js";
import { quantizeInto } from "./quantize.js";

/**
 * Does nothing when the output was made of the source as it is now. The output appears whole or
 * not at all.
 *
 * @param signal ends it
 */
export async function convert(env, job, { idleMs, maxBytes }, signal) {
  const source = await env.BUCKET.head(job.source);
  if (source === null) throw new Problem(404, `there is no object ${job.source}`);
  if (source.size > maxBytes) {
    throw new Problem(413, `${job.source} has ${source.size} bytes; allowed are ${maxBytes}`);
  }
  const done = await outputOf(env, job, source);
  if (done !== undefined) return done;
  const target = r2Target(env.BUCKET, job.output, {
    customMetadata: { source: job.source, sourceEtag: source.etag },
  });
  const openSink = (byteCount) => {
    // The smallest parts that R2 takes: one is under way, one is filled.
    const partBytes = Math.max(5 << 20, Math.ceil(byteCount / 10_000));
    return multipartSink(target, { partBytes, concurrency: 1 });
  };
  const settings = { name: job.key, maxBytes, idleMs, signal };
  const bytes = objectStream(env.BUCKET, source);
  try {
    await quantizeInto(bytes.readable, job.options, settings, openSink);
  } catch (error) {
    throw bytes.failure instanceof Problem ? bytes.failure : error;
  }
  return await outputOf(env, job, source);
}

/** The output, if it was made of this version of the source. */
export async function outputOf(env, job, source) {
  const output = await env.BUCKET.head(job.output);
  if (source === null || output?.customMetadata?.sourceEtag !== source.etag) return undefined;
  return { state: "done", output: job.output, bytes: output.size, sourceBytes: source.size };
}

/** The client waits: when it goes, so does the job. */
export async function convertWhileWaited(request, env, ctx, job, settings) {
  const converted = convert(env, job, settings, request.signal);
  // Time to remove what was uploaded.
  ctx.waitUntil(converted.catch(() => {}));
  return await converted;
}
