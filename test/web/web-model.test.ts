import { describe, expect, it } from "vitest";
import { parseModelConfig } from "../../src/checkpoint/config/model-config.ts";
import { ArgumentError, FormatError, StorageError } from "../../src/foundation/errors.ts";
import { isWebModel, modelPlaceOf, publicModelName } from "../../src/web/model-place.ts";
import { openWebModel, type WebModel } from "../../src/web/web-model.ts";
import { errorOf } from "../checkpoint/streams.ts";
import { filesBelow, temporaryFolder } from "../cli/quantwise.ts";
import { llamaConfig, llamaTensors, shardName, writeModel, writeShards } from "../node/models.ts";
import { COMMIT, fakeHub, folderServer } from "./fake-hub.ts";

const tensors = llamaTensors();
const text = (content: string) => new TextEncoder().encode(content);

const single = filesBelow(writeModel(temporaryFolder(), tensors));
const sharded = filesBelow(
  writeShards(
    temporaryFolder(),
    [0, 1, 2].map((i) => tensors.filter((_, at) => at % 3 === i)),
  ),
);
const sidecars = new Map([
  ["tokenizer.json", text('{"a": 1}')],
  ["vocab.json", text("{}")],
  ["chat_template.jinja", text("{{ x }}")],
]);

function tensorNames({ files }: WebModel): string[] {
  return files.flatMap(({ table }) => [...table].map(({ name }) => name)).sort();
}

const allNames = tensors.map(({ name }) => name).sort();

describe("what an address means", () => {
  const placed = (input: string, endpoint?: string) => {
    const place = modelPlaceOf(input, endpoint);
    if (place.kind === "folder") return `folder ${place.urlOf("x.json")}`;
    if (place.kind === "file") return `file ${place.url} ${place.config}`;
    return `hub ${place.name} ${place.endpoint}`;
  };

  it.each([
    ["hf:org/name@v1", "hub hf:org/name@v1 https://huggingface.co"],
    ["https://huggingface.co/org/name", "hub hf:org/name@main https://huggingface.co"],
    ["https://huggingface.co/org/name/tree/v1", "hub hf:org/name@v1 https://huggingface.co"],
    [
      "https://huggingface.co/org/name/resolve/main/model.safetensors.index.json",
      "hub hf:org/name@main https://huggingface.co",
    ],
    [
      "https://huggingface.co/org/name/blob/main/a.safetensors?download=true",
      "file https://huggingface.co/org/name/resolve/main/a.safetensors " +
        "https://huggingface.co/org/name/resolve/main/config.json",
    ],
    [
      "https://huggingface.co/org/name/tree/main/sub",
      "folder https://huggingface.co/org/name/resolve/main/sub/x.json",
    ],
    [
      "https://a.example/m/model.safetensors",
      "file https://a.example/m/model.safetensors https://a.example/m/config.json",
    ],
    [
      "https://a.example/m.safetensors?sig=1",
      "file https://a.example/m.safetensors?sig=1 https://a.example/config.json?sig=1",
    ],
    ["https://a.example/download?id=7", "file https://a.example/download?id=7 undefined"],
    ["https://a.example/m", "folder https://a.example/m/x.json"],
    ["https://a.example/m/", "folder https://a.example/m/x.json"],
    ["https://a.example/m/?sas=1", "folder https://a.example/m/x.json?sas=1"],
    ["https://a.example", "folder https://a.example/x.json"],
    [
      "https://a.example/m/model.safetensors.index.json?s=1",
      "folder https://a.example/m/x.json?s=1",
    ],
  ])("%s", (input, expected) => {
    expect(isWebModel(input)).toBe(true);
    expect(placed(input)).toBe(expected);
  });

  it("follows the endpoint, and still knows the Hub's own pages", () => {
    const mirror = "https://mirror.example";
    expect(placed("hf:a/b", mirror)).toBe(`hub hf:a/b@main ${mirror}`);
    expect(placed(`${mirror}/a/b`, mirror)).toBe(`hub hf:a/b@main ${mirror}`);
    expect(placed("https://huggingface.co/a/b", mirror)).toBe(
      "hub hf:a/b@main https://huggingface.co",
    );
  });

  it.each(["model", "./hf", "C:\\model", "/m/model.safetensors", "httpsx://a", "7B", "-"])(
    "is nothing for a path: %s",
    (input) => expect(isWebModel(input)).toBe(false),
  );

  it("is refused for no address, without showing secrets", async () => {
    const error = await errorOf(openWebModel("https://user:secret@[/model?sig=secret"));
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error.message).not.toContain("secret");
    expect(publicModelName("https://u:secret@a.example/m?sig=secret#x")).toBe(
      "https://a.example/m",
    );
    expect(publicModelName("a?b#c")).toBe("a?b#c");
  });
});

describe("a file at an address", () => {
  it("has the config.json beside it", async () => {
    const server = await folderServer(single);
    const model = await openWebModel(`${server.origin}/model.safetensors`);
    expect(model.kind).toBe("file");
    expect(tensorNames(model)).toEqual(allNames);
    expect(model.config?.name).toBe(`${server.origin}/config.json`);
    expect(model.sidecars).toEqual([]);
    await model.close();
  });

  it.each([404, 403, 401])("may have none (status %i)", async (missing) => {
    const files = new Map([...single].filter(([name]) => name !== "config.json"));
    const server = await folderServer(files, { missing });
    const model = await openWebModel(`${server.origin}/model.safetensors`);
    expect(model.config).toBeUndefined();
    await model.close();
  });

  it("may get another one", async () => {
    const server = await folderServer(single);
    const config = parseModelConfig(text("{}"), "mine");
    const model = await openWebModel(`${server.origin}/model.safetensors`, { config });
    expect(model.config).toBe(config);
    expect(server.requests.map(({ path }) => path)).toEqual(["/model.safetensors"]);
    await model.close();
  });
});

describe("a folder of a server", () => {
  it.each([
    ["one file", single],
    ["shards", sharded],
  ])("is opened with %s", async (_, files) => {
    const server = await folderServer(files);
    const model = await openWebModel(server.origin);
    expect(model.kind).toBe("directory");
    expect(tensorNames(model)).toEqual(allNames);
    expect(model.config?.name).toBe(`${server.origin}/config.json`);
    expect(model.hasRanges).toBe(true);
    await model.close();
  });

  it("gives the sidecars of known names that it has", async () => {
    const server = await folderServer(new Map<string, Uint8Array>([...single, ...sidecars]));
    const model = await openWebModel(server.origin);
    // Nothing was asked of them yet.
    expect(server.requests.map(({ path }) => path)).toEqual(["/config.json", "/model.safetensors"]);
    const found: string[] = [];
    for (const name of model.sidecars) {
      const source = await model.openSidecar(name);
      if (source !== undefined) found.push(name);
      await source?.close();
    }
    expect(found.sort()).toEqual([...sidecars.keys()].sort());
    await model.close();
  });

  it.each([200, 403])("may answer %i for what it does not have", async (missing) => {
    const server = await folderServer(single, { missing });
    const model = await openWebModel(server.origin);
    expect(await model.openSidecar("tokenizer.json")).toBeUndefined();
    await model.close();
  });

  it("without weights is refused with advice", async () => {
    const server = await folderServer(sidecars);
    const error = await errorOf(openWebModel(server.origin));
    expect(error).toBeInstanceOf(StorageError);
    expect(error.message).toMatch(
      /model\.safetensors\.index\.json: there is no such file, and no model\.safetensors beside/,
    );
  });

  it("with an index that does not fit is refused", async () => {
    const files = new Map(sharded);
    files.set(shardName(0, 3), sharded.get(shardName(1, 3)) as Buffer);
    const server = await folderServer(files);
    const error = await errorOf(openWebModel(server.origin));
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toMatch(/model-0000\d-of-00003\.safetensors/);
  });

  it("that ignores ranges says so", async () => {
    const large = filesBelow(writeModel(temporaryFolder(), llamaTensors({ hidden: 128 })));
    const server = await folderServer(large, { ranges: false });
    const model = await openWebModel(server.origin);
    expect(model.hasRanges).toBe(false);
    await model.close();
  });

  it("whose config.json is no JSON is refused", async () => {
    const server = await folderServer(
      new Map<string, Uint8Array>([...single, ["config.json", text("{")]]),
    );
    const error = await errorOf(openWebModel(server.origin));
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toContain(`${server.origin}/config.json`);
  });
});

describe("a model of the Hub", () => {
  const besides = new Map([
    ["README.md", text("# model")],
    [".gitattributes", text("*")],
    [".cache/x", text("x")],
    ["pytorch_model.bin", text("old")],
    ["onnx/model.onnx", text("old")],
    ["original/model.safetensors", text("old")],
    ["1_Pooling/config.json", text("{}")],
  ]);
  const files = new Map<string, Uint8Array>([...sharded, ...sidecars, ...besides]);

  it("is read at the commit that its branch stands for", async () => {
    const { hub, storage } = await fakeHub({ files });
    const model = await openWebModel("hf:org/name", { endpoint: hub.origin });
    expect(tensorNames(model)).toEqual(allNames);
    expect(model.config?.name).toBe(`${hub.origin}/org/name/resolve/main/config.json`);
    const paths = hub.requests.map(({ path }) => path);
    expect(paths[0]).toBe("/org/name/resolve/main/config.json");
    expect(paths.slice(1).every((path) => path.includes(COMMIT))).toBe(true);
    expect(storage.requests.length).toBe(3);
    await model.close();
  });

  it("has the sidecars that the Hub lists, without old and other forms of the weights", async () => {
    const sizes = { "original/model.safetensors": 13.8e9 };
    const { hub } = await fakeHub({ files, sizes });
    const model = await openWebModel("hf:org/name", { endpoint: hub.origin });
    expect(model.sidecars).toEqual([
      ".gitattributes",
      "1_Pooling/config.json",
      "README.md",
      ...[...sidecars.keys()].sort(),
    ]);
    expect([...model.leftOut].sort()).toEqual([
      "onnx/model.onnx",
      "original/model.safetensors (13.80 GB)",
      "pytorch_model.bin",
    ]);
    const source = await model.openSidecar("1_Pooling/config.json");
    const bytes = new Uint8Array(source?.size ?? 0);
    await source?.read(bytes, 0);
    expect(new TextDecoder().decode(bytes)).toBe("{}");
    await source?.close();
    await model.close();
  });

  it("sends its token to the Hub, and not to where the files lie", async () => {
    const token = "hf_secret";
    const { hub, storage } = await fakeHub({ files, token });
    const model = await openWebModel("hf:org/name", { endpoint: hub.origin, token });
    await model.close();
    expect(hub.requests.every(({ headers }) => headers.authorization === `Bearer ${token}`)).toBe(
      true,
    );
    expect(storage.requests.length).toBeGreaterThan(0);
    expect(JSON.stringify(storage.requests.map(({ headers }) => headers))).not.toContain("secret");
  });

  it("may be named by its page", async () => {
    const { hub } = await fakeHub({ files });
    const options = { endpoint: hub.origin };
    for (const page of ["org/name", "org/name/tree/main", "org/name/blob/main/config.json/.."]) {
      const model = await openWebModel(`${hub.origin}/${page}`, options);
      expect(tensorNames(model)).toEqual(allNames);
      await model.close();
    }
  });

  it("may have no config and one file of another name", async () => {
    const weights = single.get("model.safetensors") as Uint8Array;
    const { hub } = await fakeHub({ files: new Map([["weights.safetensors", weights]]) });
    const model = await openWebModel("hf:org/name", { endpoint: hub.origin });
    expect(model.config).toBeUndefined();
    expect(tensorNames(model)).toEqual(allNames);
    await model.close();
  });

  it.each([
    ["hf:org/name", new Map([["pytorch_model.bin", text("x")]]), /hf:org\/name@\w+: only PyTorch/],
    ["hf:org/other", sharded, /status 401, Repository not found.*names that do not exist/],
    ["hf:org/name@nope", sharded, /hf:org\/name@nope: there is no such model, or no such revision/],
  ])("is refused: %s", async (name, some, expected) => {
    const { hub } = await fakeHub({ files: some });
    const error = await errorOf(openWebModel(name, { endpoint: hub.origin }));
    expect(error).toBeInstanceOf(StorageError);
    expect(error.message).toMatch(expected);
  });

  it("is left alone when the job is given up", async () => {
    const { hub } = await fakeHub({ files });
    const signal = AbortSignal.abort(new Error("never mind"));
    const error = await errorOf(openWebModel("hf:org/name", { endpoint: hub.origin, signal }));
    expect(error.message).toBe("never mind");
    expect(hub.requests).toEqual([]);
  });
});

it("a config that says it is quantized is read too", async () => {
  const config = llamaConfig({ quantization_config: { quant_method: "bitsandbytes" } });
  const server = await folderServer(
    new Map<string, Uint8Array>([...single, ["config.json", text(config)]]),
  );
  const model = await openWebModel(server.origin);
  expect(model.config).toBeDefined();
  await model.close();
});
