import { describe, expect, it } from "vitest";
import { identityOf } from "../../src/checkpoint/config/model-config.ts";
import { FormatError, StorageError } from "../../src/foundation/errors.ts";
import { openFileModel } from "../../src/web/file-model.ts";
import { referenceFile } from "../checkpoint/safetensors-files.ts";
import { errorOf } from "../checkpoint/streams.ts";
import { llamaConfig, llamaTensors } from "../node/models.ts";

const tensors = llamaTensors();
const weights = referenceFile(tensors);
const file = (name: string, content: BlobPart = "x") => new File([content], name);
const inFolder = (path: string, content: BlobPart = "x") =>
  Object.defineProperty(file(path.split("/").at(-1) as string, content), "webkitRelativePath", {
    value: path,
  });
const index = JSON.stringify({
  metadata: { total_size: 0 },
  weight_map: Object.fromEntries(
    tensors.map(({ name }) => [name, "model-00001-of-00001.safetensors"]),
  ),
});

describe("a model of files", () => {
  it("is one file of any name", async () => {
    const model = await openFileModel([file("mine.safetensors", weights)]);
    const { kind, config, sidecars, hasRanges, name } = model;
    expect({ kind, config, sidecars, hasRanges, name }).toEqual({
      kind: "file",
      config: undefined,
      sidecars: [],
      hasRanges: true,
      name: "mine.safetensors",
    });
    expect(model.files[0]?.table.length).toBe(tensors.length);
  });

  it("is a folder, with all that belongs to it", async () => {
    const model = await openFileModel([
      inFolder("m/model-00001-of-00001.safetensors", weights),
      inFolder("m/model.safetensors.index.json", index),
      inFolder("m/config.json", llamaConfig()),
      inFolder("m/1_Pooling/config.json", "pooling"),
      inFolder("m/.git/config"),
      inFolder("m/pytorch_model.bin"),
    ]);
    expect(model.kind).toBe("directory");
    expect(identityOf(model.config).modelType).toBe("llama");
    expect(model.sidecars).toEqual(["1_Pooling/config.json"]);
    expect(model.leftOut).toEqual(["pytorch_model.bin"]);
    const sidecar = await model.openSidecar("1_Pooling/config.json");
    const bytes = new Uint8Array(sidecar?.size as number);
    await sidecar?.read(bytes, 0);
    expect(new TextDecoder().decode(bytes)).toBe("pooling");
    expect(await model.openSidecar("no.json")).toBeUndefined();
  });

  it("is refused in words when something is missing", async () => {
    const noShard = await errorOf(openFileModel([file("model.safetensors.index.json", index)]));
    expect(noShard).toBeInstanceOf(FormatError);
    expect(noShard.message).toContain('the shard "model-00001-of-00001.safetensors", which is not');
    const none = await errorOf(openFileModel([file("config.json")]));
    expect(none).toBeInstanceOf(StorageError);
    expect(none.message).toMatch(/^the chosen files: no model.safetensors and no/);
    const two = ["a.safetensors", "b.safetensors"].map((name) => file(name, weights));
    expect((await errorOf(openFileModel(two))).message).toContain("2 .safetensors files but no");
  });
});
