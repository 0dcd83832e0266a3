/** Models into handles of files and directories have the bytes that the command writes. */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { QuantizeJobOptions } from "../../src/checkpoint/quantize-job-options.ts";
import { ArgumentError, StorageError, UnsupportedError } from "../../src/foundation/errors.ts";
import { quantizeModel } from "../../src/node/quantize-model.ts";
import { createThreadPool } from "../../src/node/threads.ts";
import { openFileModel } from "../../src/web/file-model.ts";
import { quantizeWebModel } from "../../src/web/quantize-web-model.ts";
import type { FileHandleLike, WritableFile } from "../../src/web/sinks/handles.ts";
import { openWebModel, type WebModel } from "../../src/web/web-model.ts";
import { opaque, readFile } from "../checkpoint/safetensors-files.ts";
import { errorOf } from "../checkpoint/streams.ts";
import { filesBelow, folderWith, temporaryFolder } from "../cli/quantwise.ts";
import { sameBytes } from "../kernels/calls.ts";
import { llamaTensors, writeModel, writeShards } from "../node/models.ts";
import { type Browser, diskDirectory } from "./disk-handles.ts";
import { folderServer } from "./fake-hub.ts";
import { serve } from "./server.ts";

const tensors = llamaTensors({ hidden: 64 });
const BESIDES = { "tokenizer.json": '{"a": 1}', "1_Pooling/config.json": "{}" };
const halves = [0, 1].map((i) => tensors.filter((_, at) => at % 2 === i));
const folder = folderWith(BESIDES, writeShards(join(temporaryFolder(), "m"), halves));
const BROWSERS = [{ files: "writable" }, { files: "accessed" }] as const;

function model(path = folder): Promise<WebModel> {
  const files = [...filesBelow(path)].map(([name, bytes]) => {
    const file = new File([new Uint8Array(bytes)], name.split("/").at(-1) as string);
    return Object.defineProperty(file, "webkitRelativePath", { value: `m/${name}` });
  });
  return openFileModel(files);
}

async function expected(options: QuantizeJobOptions, path = folder) {
  const out = join(temporaryFolder(), "out");
  await quantizeModel(path, out, options);
  return filesBelow(out);
}

function sameFiles(found: ReadonlyMap<string, Buffer>, files: ReadonlyMap<string, Buffer>) {
  expect([...found.keys()]).toEqual([...files.keys()]);
  for (const [name, bytes] of files) sameBytes(found.get(name) as Buffer, bytes, name);
}

async function newFile(browser: Browser, name = "x.safetensors") {
  const path = temporaryFolder();
  const handle = await diskDirectory(path, browser).getFileHandle(name, { create: true });
  return { path: join(path, name), handle };
}

describe.each(BROWSERS)("a directory of a browser with %s", (browser) => {
  it.each<QuantizeJobOptions>([
    {},
    { quantType: "llm-int8" },
    { quantType: "int4", format: "compressed-tensors" },
    { quantType: "nf4", maxShardSize: 60_000 },
  ])("gets the command's files: %o", async (options) => {
    const path = temporaryFolder();
    const result = await quantizeWebModel(await model(), diskDirectory(path, browser), options);
    sameFiles(filesBelow(path), await expected(options));
    expect(result.totals.quantized).toBeGreaterThan(0);
  });

  it("gets them from threads", async () => {
    const path = temporaryFolder();
    const pool = createThreadPool({ threads: 2 });
    try {
      await quantizeWebModel(await model(), diskDirectory(path, browser), { pool });
    } finally {
      pool.close();
    }
    sameFiles(filesBelow(path), await expected({}));
  });

  it("gets them from an address", async () => {
    const server = await folderServer(filesBelow(folder));
    const path = temporaryFolder();
    const web = await openWebModel(`${server.origin}/`);
    await quantizeWebModel(web, diskDirectory(path, browser), { maxShardSize: 60_000 });
    await web.close();
    const files = await expected({ maxShardSize: 60_000 });
    files.delete("1_Pooling/config.json");
    sameFiles(filesBelow(path), files);
  });

  it("is as it was after an abort, an error, a full disk", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const cases: [Browser, QuantizeJobOptions][] = [
      [browser, { signal: controller.signal, onBytes: () => controller.abort(reason) }],
      [browser, { maxShardSize: 60_000, onTensor: failAt(20) }],
      [{ ...browser, room: 40_000 }, { maxShardSize: 60_000 }],
    ];
    const messages: string[] = [];
    for (const [kind, options] of cases) {
      const path = folderWith({ "notes.txt": "mine" }, temporaryFolder());
      const directory = diskDirectory(path, kind);
      const error = await errorOf(quantizeWebModel(await model(), directory, options));
      messages.push((error as Error).message);
      expect([...filesBelow(path).keys()]).toEqual(["notes.txt"]);
    }
    expect(messages[0]).toBe("enough");
    expect(messages[1]).toBe("failed on purpose");
    expect(messages[2]).toMatch(
      /^cannot write model-0000\d-of-0000\d.safetensors: there is no room/,
    );
  });

  it("with a checkpoint in it is refused, or replaced on demand", async () => {
    const path = folderWith(
      { "model-00001-of-00009.safetensors": "old", "config.json": "old" },
      temporaryFolder(),
    );
    const directory = diskDirectory(path, browser);
    const error = await errorOf(quantizeWebModel(await model(), directory));
    expect(error).toBeInstanceOf(StorageError);
    expect((error as Error).message).toContain("already has config.json; choose an empty folder");
    const controller = new AbortController();
    const onBytes = () => controller.abort(new Error("enough"));
    const options = { overwrite: true, signal: controller.signal, onBytes };
    await errorOf(quantizeWebModel(await model(), directory, options));
    expect(filesBelow(path).get("config.json")?.toString()).toBe("old");
    await quantizeWebModel(await model(), directory, { overwrite: true });
    sameFiles(filesBelow(path), await expected({}));
  });
});

describe.each(BROWSERS)("a file of a browser with %s", (browser) => {
  it("gets the command's bytes, also in place of a longer one", async () => {
    const out = join(temporaryFolder(), "x.safetensors");
    await quantizeModel(folder, out);
    const { path, handle } = await newFile(browser);
    writeFileSync(path, new Uint8Array(1 << 20));
    const result = await quantizeWebModel(await model(), handle);
    sameBytes(readFileSync(path), readFileSync(out), "x");
    expect(result.files).toEqual([{ name: "x.safetensors", bytes: readFileSync(out).byteLength }]);
  });

  it("has nothing of an aborted one", async () => {
    const { path, handle } = await newFile(browser);
    const controller = new AbortController();
    const onBytes = () => controller.abort(new Error("enough"));
    const options = { signal: controller.signal, onBytes };
    const error = await errorOf(quantizeWebModel(await model(), handle, options));
    expect((error as Error).message).toBe("enough");
    expect(readFileSync(path).byteLength).toBe(0);
  });
});

describe("a file that cannot be read back", () => {
  // The last tensors' offsets have five or six digits, by the guessed or the true lengths of texts.
  const modelWith = (padding: number) =>
    writeModel(join(temporaryFolder(), "m"), [
      ...llamaTensors({ hidden: 64, layers: 1 }),
      opaque("a", "U8", [padding]),
      ...Array.from({ length: 9 }, (_, i) => opaque(`zz${i}`, "U8", [1])),
    ]);
  const inCommand = async (path: string) => {
    const out = join(temporaryFolder(), "x.safetensors");
    await quantizeModel(path, out);
    return readFileSync(out);
  };

  it("is written again when a text came out longer than guessed, in silence", async () => {
    const begin = readFile(await inCommand(modelWith(0))).tensors.find(({ name }) => name === "zz0")
      ?.begin as number;
    let again = 0;
    for (let size = 100_000 - begin - 12; size < 100_000 - begin + 12; size++) {
      const path = modelWith(size);
      const { path: found, handle } = await newFile({ files: "writable" });
      let headers = 0;
      const counted: FileHandleLike = {
        ...handle,
        createWritable: async () => {
          const file = await (handle.createWritable as () => Promise<WritableFile>)();
          const write: WritableFile["write"] = (piece) => {
            if (piece.data.byteLength === size) headers++;
            return file.write(piece);
          };
          return { ...file, write };
        },
      };
      let bytes = 0;
      const onBytes = (count: number) => {
        bytes += count;
      };
      const { bytesBefore } = await quantizeWebModel(await model(path), counted, { onBytes });
      expect(bytes).toBe(bytesBefore);
      expect(headers).toBeGreaterThan(0);
      if (headers === 2) again++;
      sameBytes(readFileSync(found), await inCommand(path), `size ${size}`);
    }
    expect(again).toBeGreaterThan(0);
    expect(again).toBeLessThan(24);
  });

  it("is refused for what can be read from front to back only; another one is not", async () => {
    const bytes = filesBelow(modelWith(1)).get("model.safetensors") as Buffer;
    const server = await serve(({ url = "" }, response) => {
      response.statusCode = url.endsWith(".safetensors") ? 200 : 404;
      response.end(response.statusCode === 200 ? bytes : "");
    });
    const web = () => openWebModel(`${server.origin}/model.safetensors`);
    const { path, handle } = await newFile({ files: "writable" });
    const error = await errorOf(quantizeWebModel(await web(), handle));
    expect(error).toBeInstanceOf(UnsupportedError);
    expect((error as Error).message).toContain("QuantizeSafetensorsStream");
    expect(readFileSync(path).byteLength).toBe(0);
    const other = await newFile({ files: "accessed" });
    await quantizeWebModel(await web(), other.handle);
    const out = join(temporaryFolder(), "x.safetensors");
    await quantizeModel(`${server.origin}/model.safetensors`, out);
    sameBytes(readFileSync(other.path), readFileSync(out), "x");
  });
});

describe("what cannot be an output", () => {
  it("is refused in words", async () => {
    const none = await newFile({ files: "none" });
    const error = await errorOf(quantizeWebModel(await model(), none.handle));
    expect(error).toBeInstanceOf(UnsupportedError);
    expect((error as Error).message).toContain("only in Workers");
    const text = await errorOf(quantizeWebModel(await model(), "out" as never));
    expect(text).toBeInstanceOf(ArgumentError);
  });

  it("is a folder where a file's name is taken", async () => {
    const path = temporaryFolder();
    mkdirSync(join(path, "tokenizer.json"));
    const directory = diskDirectory(path, { files: "writable" });
    const error = await errorOf(quantizeWebModel(await model(), directory));
    expect((error as Error).message).toMatch(/^cannot create tokenizer.json: something else has/);
  });
});

function failAt(count: number): () => void {
  let left = count;
  return () => {
    left--;
    if (left === 0) throw new Error("failed on purpose");
  };
}
