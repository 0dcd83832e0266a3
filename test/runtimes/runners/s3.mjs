/** Uploads by `quantwise/web` to a real S3 server, which checks signatures. */

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Checks, same } from "../lib/checks.mjs";
import { execute } from "../lib/processes.mjs";
import { rowOf } from "../lib/rows.mjs";
import { python, startS3 } from "../s3/server.mjs";

const MIB = 1 << 20;
const PART_BYTES = 5 * MIB;
const KEY = "a folder/weights+1.safetensors";

const moto = {
  name: "S3 (moto), signed by aws4fetch",
  version: async () => {
    const { stdout } = await execute(python, ["-c", "import moto; print(moto.__version__)"]);
    return stdout.trim();
  },
  run: async (context) => {
    const web = await import(pathToFileURL(join(context.package, "build/js/web.js")).href);
    const server = await startS3();
    const checks = new Checks();
    try {
      for (const [name, check] of CHECKS) await checks.check(name, () => check(server, web));
    } finally {
      server.stop();
    }
    return rowOf({ kernels: { name: "-", reason: "" }, checks: checks.checks });
  },
};

const CHECKS = [
  ["an object: its bytes, in parts, several at once", whole],
  ["an object: small ones and empty ones", small],
  ["an object: a part that fails is sent again", againAndAgain],
  ["an object: nothing is left when a part is refused", refusedPart],
  ["an object: nothing is left when its writer gives up", cancelled],
  ["an object: a store that refuses says why", noAccess],
];

/** Bytes that tell where they are from. */
function bytesOf(length, seed = 1) {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + seed, 0x9e3779b1);
  return new Uint8Array(words.buffer, 0, length);
}

const source = (bytes) => new Blob([bytes]).stream();
const urlOf = ({ bucket }, key) => `${bucket}/${key.split("/").map(encodeURIComponent).join("/")}`;

function sinkOf(server, web, key, { fetch = sending(server), ...more } = {}) {
  const target = web.s3Target(urlOf(server, key), { fetch, backoffMs: 1, retries: 2 });
  return web.multipartSink(target, { partBytes: PART_BYTES, ...more });
}

const sending =
  ({ client }) =>
  (url, init) =>
    client.fetch(url, init);

async function sameObject(server, key, expected) {
  const answer = await server.client.fetch(urlOf(server, key));
  same(answer.status, 200, "status");
  const bytes = Buffer.from(await answer.arrayBuffer());
  same(bytes.equals(expected), true, `${bytes.byteLength} bytes as sent`);
  return answer;
}

async function nothingLeft(server, key) {
  const { status } = await server.client.fetch(urlOf(server, key), { method: "HEAD" });
  same(status, 404, "the object");
  const xml = await (await server.client.fetch(`${server.bucket}?uploads=`)).text();
  same(xml.includes("ListMultipartUploadsResult"), true, "a list of uploads");
  same(/<Upload>/.test(xml), false, "unfinished uploads");
}

async function rejected(promise, words) {
  const error = await promise.then(
    () => undefined,
    (reason) => reason,
  );
  const message = error?.message ?? "no error";
  if (!message.includes(words)) throw new Error(`"${message}" lacks "${words}"`);
}

async function whole(server, web) {
  const bytes = bytesOf(27 * MIB + 13);
  let running = 0;
  let most = 0;
  const fetch = async (url, init) => {
    most = Math.max(most, ++running);
    try {
      return await server.client.fetch(url, init);
    } finally {
      running--;
    }
  };
  await source(bytes).pipeTo(sinkOf(server, web, KEY, { fetch, concurrency: 3 }));
  const { headers } = await sameObject(server, KEY, bytes);
  same(headers.get("etag").endsWith('-6"'), true, "six parts");
  same(headers.get("content-type"), "application/octet-stream", "type");
  same(most, 3, "parts at once");
}

async function small(server, web) {
  for (const length of [0, 1, PART_BYTES, PART_BYTES + 1]) {
    const bytes = bytesOf(length, length);
    await source(bytes).pipeTo(sinkOf(server, web, `small-${length}`));
    await sameObject(server, `small-${length}`, bytes);
  }
}

async function againAndAgain(server, web) {
  const bytes = bytesOf(12 * MIB, 7);
  const failed = new Set();
  const fetch = async (url, init) => {
    const what = `${init.method} ${new URL(url).search.replace(/uploadId=[^&]*/, "")}`;
    if (failed.has(what)) return server.client.fetch(url, init);
    failed.add(what);
    // Half of the requests were done before their answer was lost.
    if (failed.size % 2 === 0) await (await server.client.fetch(url, init)).text();
    return new Response("<Error><Code>SlowDown</Code></Error>", { status: 503 });
  };
  // All but the completion, which is done once.
  const guarded = (url, init) => {
    const isComplete = init.method === "POST" && url.includes("uploadId");
    return isComplete ? server.client.fetch(url, init) : fetch(url, init);
  };
  await source(bytes).pipeTo(sinkOf(server, web, "again", { fetch: guarded }));
  await sameObject(server, "again", bytes);
  same(failed.size, 4, "requests that failed: the beginning, three parts");
}

async function refusedPart(server, web) {
  const fetch = (url, init) => {
    const isThird = new URL(url).searchParams.get("partNumber") === "3";
    return (isThird ? server.stranger : server.client).fetch(url, init);
  };
  const piping = source(bytesOf(30 * MIB)).pipeTo(sinkOf(server, web, "refused", { fetch }));
  await rejected(piping, "/models/refused, part 3: access is refused (status 403, SignatureDoes");
  await nothingLeft(server, "refused");
}

async function cancelled(server, web) {
  const controller = new AbortController();
  let parts = 0;
  const fetch = async (url, init) => {
    if (init.method === "PUT" && ++parts === 3) controller.abort(new Error("enough"));
    return server.client.fetch(url, init);
  };
  const { signal } = controller;
  const sink = sinkOf(server, web, "cancelled", { fetch, signal });
  await rejected(source(bytesOf(30 * MIB)).pipeTo(sink), "enough");
  await nothingLeft(server, "cancelled");
}

async function noAccess(server, web) {
  const stranger = sending({ client: server.stranger });
  const sink = sinkOf(server, web, "secret", { fetch: stranger });
  await rejected(source(bytesOf(10)).pipeTo(sink), "do its credentials allow s3:PutObject");
  const elsewhere = { ...server, bucket: server.bucket.replace("/models", "/nowhere") };
  const lost = sinkOf(elsewhere, web, "key", { fetch: sending(server) });
  await rejected(source(bytesOf(10)).pipeTo(lost), "NoSuchBucket");
}

export const s3 = [moto];
