/** Models at addresses go through the same jobs as models on disk, with the same results. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ArgumentError, StorageError } from "../../src/foundation/errors.ts";
import { compareModels } from "../../src/node/compare-models.ts";
import { dequantizeModel } from "../../src/node/dequantize-model.ts";
import { inspectModel } from "../../src/node/inspect-model.ts";
import { planSizes } from "../../src/node/plan-sizes.ts";
import { quantizeModel } from "../../src/node/quantize-model.ts";
import { weights } from "../checkpoint/safetensors-files.ts";
import { errorOf } from "../checkpoint/streams.ts";
import {
  filesBelow,
  folderWith,
  goldenFolder,
  namesIn,
  temporaryFolder,
} from "../cli/quantwise.ts";
import { sameBytes } from "../kernels/calls.ts";
import { COMMIT, fakeHub, folderServer } from "../web/fake-hub.ts";
import { sendFile, serve } from "../web/server.ts";
import { llamaConfig, llamaTensors, writeModel, writeShards } from "./models.ts";

const tensors = llamaTensors({ hidden: 256 });
const BESIDES = {
  "tokenizer.json": '{"a": 1}',
  "generation_config.json": "{}",
  "1_Pooling/config.json": "{}",
  "pytorch_model.bin": "old",
};
const thirds = [0, 1, 2].map((i) => tensors.filter((_, at) => at % 3 === i));
const shardedFolder = folderWith(BESIDES, writeShards(join(temporaryFolder(), "m"), thirds));
const singleFolder = folderWith(BESIDES, writeModel(join(temporaryFolder(), "m"), tensors));
const sharded = filesBelow(shardedFolder);
const single = filesBelow(singleFolder);

afterEach(() => vi.unstubAllEnvs());

async function useHub(...options: Parameters<typeof fakeHub>) {
  const servers = await fakeHub(...options);
  vi.stubEnv("HF_ENDPOINT", servers.hub.origin);
  vi.stubEnv("HF_TOKEN", "");
  vi.stubEnv("HUGGING_FACE_HUB_TOKEN", "");
  return servers;
}

function sameFiles(found: ReadonlyMap<string, Buffer>, expected: ReadonlyMap<string, Buffer>) {
  expect([...found.keys()]).toEqual([...expected.keys()]);
  for (const [name, bytes] of expected) sameBytes(found.get(name) as Buffer, bytes, name);
}

async function quantized(
  input: string,
  options: Parameters<typeof quantizeModel>[2] = {},
): Promise<Map<string, Buffer>> {
  const out = join(temporaryFolder(), "out");
  await quantizeModel(input, out, options);
  return filesBelow(out);
}

describe("quantizing a sharded model of the Hub", () => {
  it("gives what quantizing it from disk gives, to the last byte and file", async () => {
    await useHub({ files: sharded });
    sameFiles(await quantized("hf:org/name"), await quantized(shardedFolder));
  });

  it("does so in shards, on threads, for another scheme", async () => {
    await useHub({ files: sharded });
    const options = { quantType: "int8", maxShardSize: 400_000, threads: 2 } as const;
    const found = await quantized("hf:org/name", options);
    expect(found.has("model.safetensors.index.json")).toBe(true);
    sameFiles(found, await quantized(shardedFolder, options));
  });

  it("does so though addresses expire after every answer", async () => {
    const { storage, hub } = await useHub({ files: sharded, answersPerSignature: 1 });
    sameFiles(await quantized("hf:org/name"), await quantized(shardedFolder));
    expect(hub.requests.length).toBeGreaterThan(6);
    expect(JSON.stringify(storage.requests)).not.toContain("authorization");
  });

  it("does so though connections are cut", async () => {
    const { storage } = await useHub({ files: sharded, cutAfter: 50_000 });
    sameFiles(await quantized("hf:org/name"), await quantized(shardedFolder));
    expect(storage.requests.length).toBeGreaterThan(6);
  }, 60_000);

  it("asks few times: headers once, tensors in sequence", async () => {
    const { hub, storage } = await useHub({ files: sharded });
    await quantized("hf:org/name");
    const sizes = storage.requests.length;
    expect(sizes).toBeLessThanOrEqual(3 * 8);
    expect(hub.requests.filter(({ path }) => path.includes("model-00001")).length).toBe(1);
  });

  it("reads headers alone for a plan and a dry run", async () => {
    const { storage, hub } = await useHub({ files: sharded });
    const out = join(temporaryFolder(), "out");
    await quantizeModel("hf:org/name", out, { dryRun: true });
    await planSizes("hf:org/name");
    expect(storage.requests.map(({ headers }) => headers.range)).toEqual(
      Array(6).fill("bytes=0-65535"),
    );
    expect(hub.requests.some(({ path }) => path.includes("tokenizer"))).toBe(false);
    expect(existsSync(out)).toBe(false);
  });

  it("is refused for one that is quantized already", async () => {
    await useHub({ files: filesBelow(goldenFolder("llama_tiny_nf4")) });
    const error = await errorOf(quantized("hf:org/name"));
    expect(error.message).toMatch(
      /resolve\/\w+\/config\.json: this checkpoint is already quantized/,
    );
  });

  it("tells which other forms it left behind", async () => {
    await useHub({ files: sharded });
    const { warnings } = await quantizeModel("hf:org/name", join(temporaryFolder(), "out"));
    expect(warnings.join("\n")).toMatch(/not copied, as other forms of the weights: pytorch_model/);
  });
});

describe("quantizing from a plain server", () => {
  /** A folder of a server cannot be listed: what nobody knows by name stays there. */
  const known = (files: ReadonlyMap<string, Buffer>) =>
    new Map([...files].filter(([name]) => name !== "1_Pooling/config.json"));

  it.each([
    ["one file", single, singleFolder],
    ["shards", sharded, shardedFolder],
  ])("of %s gives what the disk gives", async (_, files, folder) => {
    const server = await folderServer(files);
    sameFiles(await quantized(`${server.origin}/`), known(await quantized(folder)));
  });

  it("of a bare file takes its config along, and nothing else", async () => {
    const server = await folderServer(single);
    const url = `${server.origin}/model.safetensors`;
    sameFiles(await quantized(url), await quantized(join(singleFolder, "model.safetensors")));
    const out = join(temporaryFolder(), "out.safetensors");
    await quantizeModel(url, out, { config: join(singleFolder, "config.json") });
    expect(namesIn(join(out, ".."))).toEqual(["out.safetensors"]);
  });

  it("of Conv1D weights, which are read several times, gives what the disk gives", async () => {
    const config = llamaConfig({ model_type: "gpt2", architectures: ["GPT2LMHeadModel"] });
    const conv = [
      weights("h.0.attn.c_attn.weight", [3000, 3100], "F32", { seed: 5 }),
      weights("h.0.mlp.c_fc.weight", [100, 400], "F32", { seed: 6 }),
    ];
    const folder = writeModel(join(temporaryFolder(), "m"), conv, config);
    const server = await folderServer(filesBelow(folder));
    sameFiles(await quantized(server.origin), await quantized(folder));
    expect(server.requests.length).toBeLessThan(40);
  }, 60_000);

  it("that ignores ranges works for one file, with its sidecars", async () => {
    const server = await folderServer(single, { ranges: false });
    sameFiles(await quantized(server.origin), known(await quantized(singleFolder)));
    const asked = server.requests.filter(({ path }) => path === "/model.safetensors");
    // Once for the header, once from front to back.
    expect(asked).toHaveLength(2);
  });

  it("that ignores ranges is refused for shards that are read to and fro", async () => {
    const server = await folderServer(sharded, { ranges: false });
    const out = join(temporaryFolder(), "out");
    const error = await errorOf(quantizeModel(server.origin, out));
    expect(error).toBeInstanceOf(StorageError);
    expect(error.message).toMatch(/ignores ranges, .* front to back, .*Download it first/);
    expect(namesIn(join(out, ".."))).toEqual([]);
  });

  it("fails before the weights are read when a sidecar cannot be had, and leaves nothing", async () => {
    const server = await serve((request, response) => {
      const name = (request.url as string).slice(1);
      const bytes = single.get(name);
      if (name !== "tokenizer.json" && bytes !== undefined) {
        return sendFile(request, response, bytes);
      }
      response.writeHead(name === "tokenizer.json" ? 418 : 404);
      response.end();
    });
    const out = join(temporaryFolder(), "out");
    const error = await errorOf(quantizeModel(server.origin, out));
    expect(error.message).toMatch(/tokenizer\.json: an unexpected answer \(status 418\)/);
    expect(namesIn(join(out, ".."))).toEqual([]);
    const asked = server.requests.filter(({ path }) => path === "/model.safetensors");
    expect(asked).toHaveLength(1);
  });

  it("of a file that changes meanwhile leaves nothing", async () => {
    const bytes = single.get("model.safetensors") as Buffer;
    const server = await serve((request, response) => {
      if (request.url !== "/model.safetensors") {
        response.writeHead(404);
        response.end();
        return;
      }
      const count = server.requests.filter(({ path }) => path === request.url).length;
      sendFile(request, response, bytes, { etag: count < 3 ? '"v1"' : '"v2"' });
    });
    const out = join(temporaryFolder(), "out");
    const error = await errorOf(quantizeModel(server.origin, out));
    expect(error.message).toMatch(/the file changed while it was read/);
    expect(namesIn(join(out, ".."))).toEqual([]);
  });
});

describe("the other jobs", () => {
  const golden = goldenFolder("llama_tiny_nf4_dq");

  it("dequantize gives what the disk gives", async () => {
    await useHub({ files: filesBelow(golden) });
    const [remote, local] = [join(temporaryFolder(), "a"), join(temporaryFolder(), "b")];
    await dequantizeModel("hf:org/name", remote);
    await dequantizeModel(golden, local);
    sameFiles(filesBelow(remote), filesBelow(local));
  });

  it("compare gives what the disk gives, with one model here and one there", async () => {
    const nf4 = join(temporaryFolder(), "nf4");
    await quantizeModel(singleFolder, nf4);
    const server = await folderServer(filesBelow(nf4));
    const there = await compareModels(singleFolder, server.origin);
    const here = await compareModels(singleFolder, nf4);
    expect(there.tensors).toEqual(here.tensors);
    const other = await folderServer(single);
    expect((await compareModels(other.origin, server.origin)).tensors).toEqual(here.tensors);
  });

  it("inspect gives what the disk gives", async () => {
    const server = await folderServer(filesBelow(golden));
    const there = await inspectModel(server.origin, { stats: true });
    const here = await inspectModel(golden, { stats: true });
    const bare = (tensors: typeof here.tensors) => tensors.map(({ file: _, ...rest }) => rest);
    expect(bare(there.tensors)).toEqual(bare(here.tensors));
    expect(there.files[0]?.name).toBe(`${server.origin}/model.safetensors`);
  });

  it("plan gives what the disk gives: of a folder in shards, of a file in one", async () => {
    const server = await folderServer(single);
    expect(await planSizes(server.origin)).toEqual(await planSizes(singleFolder));
    const file = "model.safetensors";
    expect(await planSizes(`${server.origin}/${file}`)).toEqual(
      await planSizes(join(singleFolder, file)),
    );
  });
});

describe("a token", () => {
  it.each(["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"])("of %s goes to the Hub alone", async (name) => {
    const { hub, storage } = await useHub({ files: single, token: "hf_secret" });
    vi.stubEnv(name, " hf_secret\n");
    await planSizes("hf:org/name");
    await planSizes(`${hub.origin}/org/name/resolve/${COMMIT}/model.safetensors`);
    const plain = await folderServer(single);
    await planSizes(plain.origin);
    expect(hub.requests.every(({ headers }) => headers.authorization === "Bearer hf_secret")).toBe(
      true,
    );
    for (const { requests } of [storage, plain]) {
      expect(requests.length).toBeGreaterThan(0);
      expect(JSON.stringify(requests)).not.toContain("hf_secret");
    }
  });

  it("that is given goes before the environment's", async () => {
    await useHub({ files: single, token: "given" });
    vi.stubEnv("HF_TOKEN", "wrong");
    await planSizes("hf:org/name", { token: "given" });
  });

  it("of the environment that is none is told of, and not shown", async () => {
    await useHub({ files: single });
    vi.stubEnv("HF_TOKEN", "two words");
    const error = await errorOf(planSizes("hf:org/name"));
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error.message).toMatch(/^HF_TOKEN: expected a token/);
    expect(error.message).not.toContain("words");
  });

  it("is refused for two models of different origins", async () => {
    const [one, two] = [await folderServer(single), await folderServer(single)];
    const error = await errorOf(compareModels(one.origin, two.origin, { token: "hf_secret" }));
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error.message).toMatch(/^token: expected models of one origin/);
    expect(error.message).not.toContain("secret");
    expect([...one.requests, ...two.requests]).toEqual([]);
  });

  it("is refused for a count of parameters", async () => {
    const error = await errorOf(planSizes("7B", { token: "hf_secret" }));
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error.message).not.toContain("secret");
  });
});

it("an endpoint that is no URL is refused", async () => {
  vi.stubEnv("HF_ENDPOINT", "mirror");
  const error = await errorOf(planSizes("hf:org/name"));
  expect(error).toBeInstanceOf(ArgumentError);
  expect(error.message).toMatch(/^endpoint: expected the http or https URL of a hub/);
});
