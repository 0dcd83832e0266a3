/**
 * Quantizes safetensors files at the edge: what is sent, while it flows by, and what lies in R2.
 *
 *   POST /quantize?type=nf4          the body, quantized
 *   POST /quantize/<key>?type=nf4    an object of the bucket into another; large ones by the queue
 *   GET  /quantize/<key>?type=nf4    how far that is
 */

import { isAuthorized } from "./auth.js";
import { quantizeBody } from "./body.js";
import { convertWhileWaited } from "./convert.js";
import { consume, enqueue, statusOf } from "./jobs.js";
import { jobOf } from "./keys.js";
import { optionsOf } from "./options.js";
import { Problem, problemResponse } from "./problem.js";
import { settingsOf } from "./settings.js";

export default {
  async fetch(request, env, ctx) {
    try {
      return await answer(request, env, ctx);
    } catch (error) {
      return problemResponse(error);
    }
  },
  queue: consume,
};

async function answer(request, env, ctx) {
  const { pathname, searchParams } = new URL(request.url);
  const [, path, ...rest] = pathname.split("/");
  if (path !== "quantize") throw new Problem(404, "there is nothing here; see POST /quantize");
  if (!(await isAuthorized(request, env))) {
    const headers = { "www-authenticate": "Bearer" };
    throw new Problem(401, "send the token: Authorization: Bearer …", headers);
  }
  const settings = settingsOf(env);
  const { options, wantsQueue } = optionsOf(searchParams);
  if (rest.join("/") === "") {
    if (request.method !== "POST") throw new Problem(405, "send a file by POST", { allow: "POST" });
    return quantizeBody(request, ctx, options, settings);
  }
  const job = await jobOf(rest, options, settings);
  if (request.method === "GET") return Response.json(await statusOf(env, job));
  if (request.method !== "POST") throw new Problem(405, "use POST or GET", { allow: "GET, POST" });
  const source = await env.BUCKET.head(job.source);
  if (source === null) throw new Problem(404, `there is no object ${job.source}`);
  const isLong = source.size > settings.queueAboveBytes && source.size <= settings.maxBytes;
  if (wantsQueue || isLong) {
    return Response.json(await enqueue(env, job), { status: 202 });
  }
  return Response.json(await convertWhileWaited(request, env, ctx, job, settings));
}
