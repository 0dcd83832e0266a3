/** Which objects a job reads and writes. Nothing outside of the two prefixes can be named. */

import { Problem } from "./problem.js";

const SUFFIX = ".safetensors";

/** R2 allows 1,024 bytes; what we put around a key is shorter than the difference. */
const LONGEST_KEY_BYTES = 800;

/**
 * @param segments of the address, behind /quantize/, as they were sent
 * @returns key, options, and the objects' names in the bucket
 */
export async function jobOf(segments, options, settings) {
  const key = segments.map(decoded).join("/");
  if (!key.endsWith(SUFFIX)) throw new Problem(400, `the key must end with ${SUFFIX}`);
  if (new TextEncoder().encode(key).byteLength > LONGEST_KEY_BYTES) {
    throw new Problem(400, `the key is longer than ${LONGEST_KEY_BYTES} bytes`);
  }
  const variant = await variantOf(options);
  const place = `${settings.outputPrefix}${key.slice(0, -SUFFIX.length)}/${variant}`;
  return {
    key,
    options,
    source: `${settings.sourcePrefix}${key}`,
    output: `${place}${SUFFIX}`,
    status: `${place}.job.json`,
  };
}

function decoded(segment) {
  let text;
  try {
    text = decodeURIComponent(segment);
  } catch {
    throw new Problem(400, "the key is not valid percent-encoding");
  }
  const isPlain = text !== "" && text !== "." && text !== ".." && !/[/\\\p{Cc}]/u.test(text);
  if (isPlain) return text;
  throw new Problem(
    400,
    "segments of a key must be plain names: not empty, no dots alone, no slashes",
  );
}

/** The type; with a hash of the other options, when there are any. */
async function variantOf(options) {
  const { quantType, ...others } = options;
  if (Object.keys(others).length === 0) return quantType;
  const text = new TextEncoder().encode(JSON.stringify(options));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", text));
  const hex = Array.from(digest.subarray(0, 6), (byte) => byte.toString(16).padStart(2, "0"));
  return `${quantType}-${hex.join("")}`;
}
