/** Requests to the example, by Node's own client, whose two sides can be stalled. */

import { request } from "node:http";
import { same, until } from "../lib/checks.mjs";
import { TOKEN } from "./worker.mjs";

const authorization = `Bearer ${TOKEN}`;

/** One request by Node's own client, whose two sides can be stalled. */
export function send(worker, path, { method = "POST", headers = {}, body } = {}) {
  const all = { authorization, ...headers };
  const outgoing = request(new URL(path, worker.url), { method, headers: all, agent: false });
  outgoing.on("error", () => {});
  const answered = new Promise((resolve, reject) => {
    outgoing.on("response", resolve).on("close", () => reject(new Error("cut off, no answer")));
  });
  answered.catch(() => {});
  if (body !== undefined) outgoing.end(body);
  return { outgoing, answered };
}

export async function ask(worker, path, options = {}) {
  const { answered } = send(worker, path, { body: "", ...options });
  const answer = await answered;
  const chunks = [];
  for await (const chunk of answer) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const isJson = answer.headers["content-type"]?.startsWith("application/json");
  return { status: answer.statusCode, bytes, json: isJson ? JSON.parse(bytes) : undefined };
}

export async function refused(worker, path, status, words, options) {
  const answer = await ask(worker, path, options);
  same(answer.status, status, `${path}: status`);
  const { message } = answer.json.error;
  if (!message.includes(words)) throw new Error(`${path}: "${message}" lacks "${words}"`);
  return answer;
}

/** Bytes of an answer that came to its end. */
export async function sizeOf(answer, onChunk = () => {}) {
  let size = 0;
  try {
    for await (const chunk of answer) {
      size += chunk.byteLength;
      onChunk(chunk);
    }
  } catch {
    return "cut off";
  }
  return size;
}

/** Sends a shard; ends early when the other side has. */
export async function write(outgoing, shard, onChunk = async () => {}) {
  const closed = new Promise((done) => outgoing.once("close", done));
  let index = 0;
  for (const chunk of shard.chunks()) {
    if (outgoing.destroyed || outgoing.closed) return;
    if (!outgoing.write(chunk)) {
      await Promise.race([new Promise((done) => outgoing.once("drain", done)), closed]);
    }
    await onChunk(index++);
  }
  outgoing.end();
}

export async function everythingFreed({ inspector }) {
  await until("no memory of kernels is left", async () => {
    return (await inspector.memories()).length === 0;
  });
}
