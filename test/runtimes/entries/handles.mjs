/**
 * Models into a browser's file handles: in its origin's private file system, which no dialogue guards.
 * The files must be those that Node wrote from the same package.
 */

import * as core from "quantwise";
import { openFileModel, quantizeWebModel } from "quantwise/web";
import { sha256 } from "./sha256.mjs";

const SHARDED = { maxShardSize: 60_000 };

/**
 * @param expected.file, expected.directory  sha256 of what Node wrote: the one file, and by name
 * @param expected.refusal  words of the error, where this place can write no files
 * @param expected.hidden   take away what newer browsers have, to try what older ones do
 * @param expected.room     bytes that the browser gives, where it was told to give little
 */
export async function result(expected) {
  const checks = [];
  const check = async (name, body) => {
    try {
      await body();
      checks.push({ name, problem: "" });
    } catch (error) {
      checks.push({ name, problem: `${error?.name}: ${error?.message ?? error}` });
    }
  };
  for (const name of expected.hidden ?? []) delete FileSystemFileHandle.prototype[name];
  const files = await Promise.all(["config.json", "model.safetensors"].map(sampleFile));
  const model = await openFileModel(files);

  if (expected.room !== undefined) {
    await check("a full quota is told in words, and nothing stays", async () => {
      const directory = await freshDirectory();
      const large = await openFileModel([await largeFile(4 * expected.room)]);
      const error = await errorOf(quantizeWebModel(large, directory));
      same(error.code, "STORAGE", `code (${error.message})`);
      same(error.message.includes("there is no room"), true, error.message);
      same((await namesIn(directory)).join(), "", "what is left");
    });
    return { kernels: core.kernels, checks };
  }
  if (expected.refusal !== undefined) {
    await check("what cannot be done is refused in words", async () => {
      if (navigator.storage?.getDirectory === undefined) {
        same("no file system", expected.refusal, "refusal");
        return;
      }
      const error = await errorOf(quantizeWebModel(model, await freshDirectory()));
      same(error.code, "UNSUPPORTED", "code");
      same(error.message.includes(expected.refusal), true, error.message);
    });
    return { kernels: core.kernels, checks };
  }

  await check("a directory gets Node's files", async () => {
    const directory = await freshDirectory();
    await quantizeWebModel(model, directory, SHARDED);
    same(await hashesIn(directory), JSON.stringify(expected.directory), "files");
  });
  await check("a file gets Node's bytes", async () => {
    const directory = await freshDirectory();
    const file = await directory.getFileHandle("x.safetensors", { create: true });
    await quantizeWebModel(model, file);
    same(await hashOf(file), expected.file, "sha256");
    await quantizeWebModel(model, file);
    same(await hashOf(file), expected.file, "sha256 of the second time");
  });
  await check("an abort leaves nothing", async () => {
    const directory = await freshDirectory();
    const controller = new AbortController();
    const onBytes = () => controller.abort(new Error("enough"));
    const options = { ...SHARDED, signal: controller.signal, onBytes };
    const error = await errorOf(quantizeWebModel(model, directory, options));
    same(error.message, "enough", "message");
    same((await namesIn(directory)).join(), "", "what is left");
  });
  await check("until the end nothing but empty files is there", async () => {
    const directory = await freshDirectory();
    let seen;
    const look = async () => {
      let bytes = 0;
      // Chromium shows what it writes beside a file.
      for (const name of (await namesIn(directory)).filter((n) => !/\.(partial|crswap)$/.test(n))) {
        bytes += (await (await directory.getFileHandle(name)).getFile()).size;
      }
      return bytes;
    };
    const onTensor = () => {
      seen ??= look();
    };
    await quantizeWebModel(model, directory, { ...SHARDED, onTensor });
    same(await seen, 0, "bytes");
  });
  await check("a checkpoint that is there is refused, and replaced on demand", async () => {
    const directory = await freshDirectory();
    await quantizeWebModel(model, directory, { quantType: "llm-int8" });
    const before = await hashesIn(directory);
    const error = await errorOf(quantizeWebModel(model, directory, SHARDED));
    same(error.code, "STORAGE", "code");
    same(await hashesIn(directory), before, "files");
    await quantizeWebModel(model, directory, { ...SHARDED, overwrite: true });
    same(await hashesIn(directory), JSON.stringify(expected.directory), "files");
  });
  return { kernels: core.kernels, checks };
}

async function sampleFile(name) {
  const response = await fetch(new URL(`./sample/${name}`, import.meta.url));
  return new File([await response.blob()], name);
}

/** One tensor that is copied. */
async function largeFile(byteCount) {
  const entry = { dtype: "U8", shape: [byteCount], data_offsets: [0, byteCount] };
  const header = new TextEncoder().encode(JSON.stringify({ weight: entry }).padEnd(128));
  const length = new Uint8Array(new BigUint64Array([BigInt(header.length)]).buffer);
  return new File([length, header, new Uint8Array(byteCount)], "model.safetensors");
}

let directories = 0;

async function freshDirectory() {
  const root = await navigator.storage.getDirectory();
  const name = `${globalThis.document === undefined ? "worker" : "page"}-${directories++}`;
  await root.removeEntry(name, { recursive: true }).catch(() => {});
  return root.getDirectoryHandle(name, { create: true });
}

async function namesIn(directory) {
  const names = [];
  for await (const name of directory.keys()) names.push(name);
  return names.sort();
}

async function hashOf(handle) {
  const file = await handle.getFile();
  return sha256(new Uint8Array(await file.arrayBuffer()));
}

async function hashesIn(directory) {
  const hashes = {};
  for (const name of await namesIn(directory)) {
    hashes[name] = await hashOf(await directory.getFileHandle(name));
  }
  return JSON.stringify(hashes);
}

async function errorOf(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("expected an error, there was none");
}

function same(found, expected, what) {
  if (found !== expected) throw new Error(`${what}: ${found}, expected ${expected}`);
}
