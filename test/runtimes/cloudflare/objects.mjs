/** Objects that the example makes of objects, at once and by the queue. */

import { same, until } from "../lib/checks.mjs";
import { shardOf } from "../lib/shards.mjs";
import { ask, everythingFreed, refused, send } from "./client.mjs";
import { checkpoint, expectedOf, hashOf, LLAMA, model } from "./expected.mjs";
import { Peak } from "./peak.mjs";

export const objectChecks = [
  ["an object: the bytes that Node makes, once", objects],
  ["an object: only what is under the prefix", keys],
  ["an object: a client that goes leaves nothing", goneWaiter],
  ["an object: one that changes while it is read is refused", changedSource],
  ["a job: done, and again for a new source", jobs],
  ["a job: what cannot be done is said", failedJob],
  ["a job: one whose attempts are used up is noted", deadJob],
  ["a job: a large object goes to the queue, in less than 64 MB", largeJob],
];

async function objects({ bucket, ...worker }, library) {
  await bucket.put("models/tiny/model.safetensors", checkpoint);
  const path = `/quantize/tiny/model.safetensors?type=nf4&blockSize=128&${LLAMA}`;
  same((await ask(worker, path, { method: "GET" })).json, { state: "none" }, "before");
  const { status, json } = await ask(worker, path);
  same(status, 200, "status");
  const options = { quantType: "nf4", blockSize: 128, model };
  const expected = await expectedOf(library, [checkpoint], options);
  const output = await bucket.get(json.output);
  same(hashOf(Buffer.from(await output.arrayBuffer())), expected, "the object");
  same(
    json,
    { state: "done", output: output.key, bytes: expected.size, sourceBytes: checkpoint.byteLength },
    "answer",
  );
  same(
    /^quantized\/tiny\/model\/nf4-[0-9a-f]{12}\.safetensors$/.test(output.key),
    true,
    output.key,
  );
  // Options in another order are the same job, and it is done.
  const again = `/quantize/tiny/model.safetensors?${LLAMA}&blockSize=128&type=nf4`;
  same((await ask(worker, again)).json, json, "again");
  same((await ask(worker, again, { method: "GET" })).json, json, "status");
  same((await bucket.head(output.key)).version, output.version, "it was not written again");
  const plain = (await ask(worker, "/quantize/tiny/model.safetensors")).json;
  same(plain.output, "quantized/tiny/model/nf4.safetensors", "the usual options");
}

async function keys({ bucket, ...worker }) {
  await bucket.put("secret.safetensors", checkpoint);
  const wrong = [
    "..%2Fsecret.safetensors",
    "a%2F..%2F..%2Fsecret.safetensors",
    "a//b.safetensors",
    "a%00.safetensors",
  ];
  for (const key of [...wrong, "a%5Cb.safetensors", "%2E%2E%2F.safetensors"]) {
    await refused(worker, `/quantize/${key}`, 400, "segments of a key");
  }
  await refused(worker, "/quantize/%E0%A4.safetensors", 400, "percent-encoding");
  await refused(worker, "/quantize/secret.bin", 400, "must end with .safetensors");
  await refused(worker, `/quantize/${"x".repeat(900)}.safetensors`, 400, "longer than 800 bytes");
  await refused(worker, "/quantize/secret.safetensors", 404, "no object models/secret.safetensors");
  await bucket.put("models/bad.safetensors", "no safetensors at all");
  await refused(worker, "/quantize/bad.safetensors", 400, "bad.safetensors");
  same((await bucket.list({ prefix: "quantized/bad" })).objects.length, 0, "outputs");
}

async function goneWaiter({ bucket, put, uploads, ...worker }) {
  await put("models/gone.safetensors", shardOf(2));
  const { outgoing } = send(worker, "/quantize/gone.safetensors", { body: "" });
  await uploads.are(1);
  // workerd takes a mere end of what is sent for a client that still listens.
  outgoing.socket.resetAndDestroy();
  await uploads.are(0);
  await everythingFreed(worker);
  same(await bucket.head("quantized/gone/nf4.safetensors"), null, "the output");
}

async function changedSource({ bucket, uploads, ...worker }) {
  const { answered } = send(worker, "/quantize/gone.safetensors", { body: "" });
  await uploads.are(1);
  await worker.put("models/gone.safetensors", { size: 1, chunks: () => [new Uint8Array(1)] });
  same((await answered).statusCode, 409, "status");
  await uploads.are(0);
  same(await bucket.head("quantized/gone/nf4.safetensors"), null, "the output");
}

async function jobs({ bucket, ...worker }, library) {
  const path = `/quantize/tiny/job.safetensors?type=int8&${LLAMA}`;
  await refused(worker, `${path}&queue=1`, 404, "no object");
  const options = { quantType: "int8", model };
  for (const source of [checkpoint, withOtherBytes(checkpoint)]) {
    await bucket.put("models/tiny/job.safetensors", source);
    const { status, json } = await ask(worker, `${path}&queue=1`);
    same(status, 202, "status");
    same(json.state, "queued", "state");
    const done = await doneOf(worker, path);
    const output = await bucket.get(done.output);
    const expected = await expectedOf(library, [source], options);
    same(hashOf(Buffer.from(await output.arrayBuffer())), expected, "the object");
  }
}

async function doneOf(worker, path) {
  return until(path, async () => {
    const { json } = await ask(worker, path, { method: "GET" });
    return ["done", "failed"].includes(json.state) && json;
  });
}

function withOtherBytes(bytes) {
  const other = bytes.slice();
  other.copyWithin(other.byteLength - 2000, other.byteLength - 4000, other.byteLength - 2000);
  return other;
}

async function failedJob({ bucket, ...worker }) {
  await bucket.put("models/broken.safetensors", checkpoint.subarray(0, checkpoint.byteLength >> 1));
  const { status } = await ask(worker, "/quantize/broken.safetensors?queue=1");
  same(status, 202, "status");
  const { state, error } = await doneOf(worker, "/quantize/broken.safetensors");
  same(state, "failed", "state");
  same(error.includes("broken.safetensors"), true, error);
}

async function deadJob({ bury, ...worker }) {
  await bury({ status: "quantized/dead/nf4.job.json" });
  const { error } = await doneOf(worker, "/quantize/dead.safetensors");
  same(error, "every attempt failed; see the logs", "error");
}

async function largeJob({ bucket, put, uploads, ...worker }, library) {
  const shard = shardOf(3);
  await put("models/large.safetensors", shard);
  // What other checks left is collected.
  await everythingFreed(worker);
  const { status } = await ask(worker, "/quantize/large.safetensors");
  same(status, 202, "status");
  const peak = new Peak(worker);
  let isDone = false;
  const sampled = (async () => {
    for (let i = 0; !isDone; i++) await (i % 8 === 7 ? peak.lookAtMemories() : peak.sample());
  })();
  const done = await doneOf(worker, "/quantize/large.safetensors").finally(() => {
    isDone = true;
  });
  await sampled;
  peak.check("a job of 350 MB from R2 to R2", 20);
  const output = await bucket.get(done.output);
  const expected = await expectedOf(library, shard.chunks(), { quantType: "nf4" });
  same(hashOf(Buffer.from(await output.arrayBuffer())), expected, "the object");
  await uploads.are(0);
}
