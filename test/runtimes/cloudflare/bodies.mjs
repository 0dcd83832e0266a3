/** Files that flow through the example. */

import { createHash } from "node:crypto";
import { same, until } from "../lib/checks.mjs";
import { shardOf } from "../lib/shards.mjs";
import { ask, everythingFreed, refused, send, sizeOf, write } from "./client.mjs";
import { checkpoint, expectedOf, hashOf, LLAMA, model } from "./expected.mjs";
import { Peak } from "./peak.mjs";
import { TOKEN } from "./worker.mjs";

export const bodyChecks = [
  ["a body: the bytes that Node makes", bodies],
  ["a body: refused without the token", tokens],
  ["a body: refused when it is too long", tooLong],
  ["a body: wrong options and files are told", badInput],
  ["a body: a sender that stalls is cut off", stalledSender],
  ["a body: a reader that stalls frees everything", stalledReader],
  ["a body: a client that goes frees everything", goneClient],
  ["a body: 1 GB in less than 64 MB", oneGigabyte],
];

async function bodies(worker, library) {
  const cases = [
    ["type=nf4", { quantType: "nf4" }],
    [
      "type=fp4&blockSize=128&doubleQuant=0",
      { quantType: "fp4", blockSize: 128, doubleQuant: false },
    ],
    ["type=int4&symmetric=1", { quantType: "int4", symmetric: true }],
    [
      "type=mxfp4&exclude=model.layers.0.**",
      { quantType: "mxfp4", exclude: ["model.layers.0.**"] },
    ],
  ];
  for (const [query, options] of cases) {
    const answer = await ask(worker, `/quantize?${query}&${LLAMA}`, { body: checkpoint });
    same(answer.status, 200, query);
    const expected = await expectedOf(library, [checkpoint], { ...options, model });
    same(hashOf(answer.bytes), expected, query);
  }
}

async function tokens(worker) {
  for (const wrong of [
    "",
    "Bearer",
    `Bearer ${TOKEN}x`,
    `Basic ${TOKEN}`,
    `Bearer ${TOKEN.slice(1)}`,
  ]) {
    for (const path of [
      "/quantize",
      "/quantize/a.safetensors",
      "/quantize/a.safetensors?queue=1",
    ]) {
      await refused(worker, path, 401, "send the token", { headers: { authorization: wrong } });
    }
  }
}

async function tooLong(worker) {
  const { outgoing, answered } = send(worker, "/quantize", {
    headers: { "content-length": "1200000001" },
  });
  outgoing.write(checkpoint.subarray(0, 100));
  const answer = await answered;
  same(answer.statusCode, 413, "by its length");
  outgoing.destroy();
  // Without a length it is counted, and the answer is cut off.
  const shard = shardOf(11);
  const { outgoing: chunked, answered: begun } = send(worker, "/quantize?type=nf4");
  const writing = write(chunked, shard);
  const long = await begun;
  same(long.statusCode, 200, "without a length: the header was good");
  const size = await sizeOf(long);
  same(size, "cut off", "without a length");
  chunked.destroy();
  await writing;
}

async function badInput(worker) {
  await refused(worker, "/quantize?type=nf5", 400, "quantType: expected");
  await refused(worker, "/quantize?blockSize=63", 400, "blockSize: expected");
  await refused(worker, "/quantize?doubleQuant=maybe", 400, "doubleQuant: expected");
  await refused(worker, "/quantize?tpye=nf4", 400, "query: expected parameters among type");
  await refused(worker, "/quantize?type=nf4&type=fp4", 400, "type: expected one value");
  await refused(worker, "/quantize?rule=x", 400, "rule: expected");
  const text = await refused(worker, "/quantize", 400, "body", { body: "{ no safetensors }" });
  same(text.json.error.code, "FORMAT", "code");
  await refused(worker, "/quantize", 400, "body", { body: checkpoint.subarray(0, 1000) });
  await refused(worker, "/", 404, "nothing here");
  await refused(worker, "/quantize", 405, "POST", { method: "GET" });
  await refused(worker, "/quantize/a.safetensors", 405, "POST or GET", { method: "PUT" });
  // Behind the header an error can only cut the answer off.
  const { answered } = send(worker, `/quantize?${LLAMA}`, {
    body: checkpoint.subarray(0, checkpoint.byteLength - 1000),
  });
  same(await sizeOf(await answered), "cut off", "a file without its end");
}

async function stalledSender(worker) {
  const { outgoing, answered } = send(worker, "/quantize?type=nf4");
  const [head, values] = shardOf(1).chunks();
  outgoing.write(head);
  outgoing.write(values);
  const answer = await answered;
  same(await sizeOf(answer), "cut off", "the answer");
  await everythingFreed(worker);
  outgoing.destroy();
}

async function stalledReader(worker) {
  const { outgoing, answered } = send(worker, "/quantize?type=nf4");
  const writing = write(outgoing, shardOf(3));
  const answer = await answered;
  answer.pause();
  await until("kernels are at work", async () => (await worker.inspector.memories()).length > 0);
  await everythingFreed(worker);
  answer.on("error", () => {});
  outgoing.destroy();
  await writing;
}

async function goneClient(worker) {
  const { outgoing, answered } = send(worker, "/quantize?type=nf4");
  const writing = write(outgoing, shardOf(3), (index) =>
    index === 1000 ? worker.inspector.heap() : undefined,
  );
  const answer = await answered;
  answer.on("error", () => {});
  await new Promise((done) => answer.once("data", done));
  outgoing.socket.resetAndDestroy();
  await writing;
  await everythingFreed(worker);
}

async function oneGigabyte(worker, library) {
  const shard = shardOf(9);
  same(shard.size > 1e9, true, "1 GB");
  const peak = new Peak(worker);
  const { outgoing, answered } = send(worker, "/quantize?type=nf4", {
    headers: { "content-length": shard.size },
  });
  const writing = write(outgoing, shard, async (index) => {
    if (index % 256 === 255) await peak.sample();
    if (index === 8191) await peak.lookAtMemories();
  });
  const answer = await answered;
  const hash = createHash("sha256");
  const size = await sizeOf(answer, (chunk) => hash.update(chunk));
  await writing;
  peak.check("1 GB through the worker", 50);
  const expected = await expectedOf(library, shard.chunks(), { quantType: "nf4" });
  same({ size, sha: hash.digest("hex") }, expected, "the bytes");
}
