/** A request's body into an answer's, forward only. */

import { Problem } from "./problem.js";
import { quantizeInto } from "./quantize.js";

export async function quantizeBody(request, ctx, options, { maxBytes, idleMs }) {
  const { body, headers, signal } = request;
  if (Number(headers.get("content-length")) > maxBytes) {
    throw new Problem(413, `a body has at most ${maxBytes} bytes`);
  }
  if (body === null) throw new Problem(400, "send a safetensors file as the body");

  // Its length is sent along: who gets fewer bytes knows that something failed.
  let answer = () => {};
  const answered = new Promise((resolve) => {
    answer = resolve;
  });
  const openSink = (byteCount) => {
    const { readable, writable } = new FixedLengthStream(byteCount);
    answer(new Response(readable, { headers: { "content-type": "application/octet-stream" } }));
    return writable;
  };
  const settings = { name: "body", maxBytes, idleMs, signal };
  const done = quantizeInto(body, options, settings, openSink);
  ctx.waitUntil(done.catch((error) => console.error(error)));
  // What is wrong with the options or the header is known before, and is answered in words.
  return await Promise.race([answered, done]);
}
