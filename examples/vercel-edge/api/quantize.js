/**
 * GET /api/quantize?file=adapter/model.safetensors&type=nf4&block=64
 *
 * Fetches a checkpoint from the one place that SOURCE_URL names, and streams it back quantized. Nothing
 * is held but two tiles and one tensor's scales.
 */

import {
  identityOf,
  parseByteCount,
  parseModelConfig,
  QuantizeSafetensorsStream,
} from "quantwise/checkpoint";
import { isAuthorized } from "../lib/authorization.js";
// The Edge compiles no bytes at run time: this import is compiled at deployment.
import kernels from "../lib/kernels.wasm?module";
import { atMost, begun, HttpError } from "../lib/streams.js";

export const config = { runtime: "edge" };

const MOST_CONFIG_BYTES = 1 << 20;

export default async function handler(request) {
  try {
    if (request.method !== "GET") throw new HttpError(405, "use GET");
    if (!(await isAuthorized(request, process.env.QUANTIZE_TOKEN))) {
      throw new HttpError(401, "a bearer token is needed");
    }
    return await quantized(new URL(request.url).searchParams, request.signal);
  } catch (error) {
    return Response.json({ error: error.message }, { status: statusOf(error) });
  }
}

async function quantized(query, signal) {
  const { base, limit } = settings();
  const url = sourceOf(base, query.get("file") ?? "");
  const model = await identityBeside(url, signal);
  const stream = new QuantizeSafetensorsStream({
    quantType: query.get("type") ?? "nf4",
    ...(query.has("block") && { blockSize: Number(query.get("block")) }),
    ...(model && { model }),
    name: query.get("file"),
    module: kernels,
    signal,
  });
  const source = await fetched(url, signal);
  const readable = source.body.pipeThrough(atMost(limit, source)).pipeThrough(stream);
  // What is wrong with the file's header is told with a status; later errors cut the connection.
  return new Response(await begun(readable), {
    headers: {
      "content-type": "application/octet-stream",
      "x-quantwise-kernels": stream.kernels.name,
    },
  });
}

/** The deployment's own: no request can mend them. */
function settings() {
  const { SOURCE_URL, MAX_BYTES = "2GB" } = process.env;
  try {
    return { base: new URL(SOURCE_URL), limit: parseByteCount(MAX_BYTES, "MAX_BYTES") };
  } catch {
    throw new HttpError(500, "SOURCE_URL must be an address, MAX_BYTES a size such as 2GB");
  }
}

/** A file below SOURCE_URL, and nowhere else. */
function sourceOf(base, file) {
  const url = new URL(file, base);
  const isBelow = url.href.startsWith(base.href) && url.pathname.endsWith(".safetensors");
  // Some servers take an encoded slash for one.
  if (!isBelow || /[?#]|%2f|%5c/i.test(url.href)) {
    throw new HttpError(400, "file: expected the path of a .safetensors file");
  }
  return url;
}

async function reached(url, signal) {
  try {
    return await fetch(url, { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw new HttpError(502, `the source cannot be reached: ${error.message}`);
  }
}

async function fetched(url, signal) {
  const response = await reached(url, signal);
  if (response.ok && response.body !== null) return response;
  await response.body?.cancel();
  if (response.status === 404) throw new HttpError(404, "there is no such file");
  throw new HttpError(502, `the source answers with status ${response.status}`);
}

/** Which tensors are linear layers: the architecture's rules, if config.json lies beside the file. */
async function identityBeside(url, signal) {
  const response = await reached(new URL("./config.json", url), signal);
  const length = Number(response.headers.get("content-length") ?? 0);
  if (!response.ok || length > MOST_CONFIG_BYTES) {
    await response.body?.cancel();
    return undefined;
  }
  const bytes = new Uint8Array(await response.arrayBuffer());
  return identityOf(parseModelConfig(bytes, "config.json"));
}

/** The library's errors say who can mend them. */
function statusOf(error) {
  if (error instanceof HttpError) return error.status;
  return { ARGUMENT: 400, FORMAT: 422, NON_FINITE: 422, PLAN: 422 }[error.code] ?? 500;
}
