import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  ArgumentError,
  FormatError,
  PlanError,
  StorageError,
} from "../../src/foundation/errors.ts";
import { compareModels } from "../../src/node/compare-models.ts";
import { inspectModel } from "../../src/node/inspect-model.ts";
import { quantizeModel } from "../../src/node/quantize-model.ts";
import { errorOf } from "../checkpoint/streams.ts";
import {
  filesBelow,
  folderWith,
  goldenFolder,
  namesIn,
  temporaryFolder,
} from "../cli/quantwise.ts";
import { sameBytes } from "../kernels/calls.ts";
import {
  llamaConfig,
  llamaTensors,
  shardName,
  writeIndex,
  writeModel,
  writeShards,
} from "./models.ts";

const tensors = llamaTensors();

/** The output of a model's folder. */
async function converted(input: string): Promise<Map<string, Buffer>> {
  const out = join(temporaryFolder(), "out");
  await quantizeModel(input, out);
  return filesBelow(out);
}

async function refusal(input: string): Promise<Error> {
  const out = join(temporaryFolder(), "out");
  const error = await errorOf(quantizeModel(input, out));
  expect(namesIn(join(out, ".."))).toEqual([]);
  return error;
}

const single = writeModel(join(temporaryFolder(), "single"), tensors);
const expected = await converted(single);

describe("a checkpoint in shards", () => {
  it("gives the bytes of the same checkpoint in one file", async () => {
    const thirds = [0, 1, 2].map((i) => tensors.filter((_, at) => at % 3 === i));
    const input = writeShards(join(temporaryFolder(), "shards"), thirds);
    const files = await converted(input);
    expect([...files.keys()]).toEqual([...expected.keys()]);
    for (const [name, bytes] of expected) sameBytes(files.get(name) as Buffer, bytes, name);
  });

  it("may list empty shards and tensors in any order", async () => {
    const input = writeShards(join(temporaryFolder(), "shards"), [tensors.toReversed()]);
    const files = await converted(input);
    sameBytes(
      files.get("model.safetensors") as Buffer,
      expected.get("model.safetensors") as Buffer,
      "model.safetensors",
    );
  });

  const two = [tensors.slice(0, 5), tensors.slice(5)];
  const mapOf = (change: (map: Record<string, string>) => void) => {
    const map = Object.fromEntries(
      two.flatMap((shard, i) => shard.map(({ name }) => [name, shardName(i, 2)])),
    );
    change(map);
    return map;
  };
  const first = tensors[0]?.name as string;

  it.each([
    [
      "a shard that is missing",
      (folder: string) => rmSync(join(folder, shardName(1, 2))),
      /model\.safetensors\.index\.json.*model-00002-of-00002\.safetensors.*not in/,
    ],
    [
      "a shard outside the directory",
      (folder: string) =>
        writeIndex(
          folder,
          mapOf((map) => {
            map[first] = "../model-00001-of-00002.safetensors";
          }),
        ),
      /index\.json.*plain shard file name/,
    ],
    [
      "a shard by an absolute name",
      (folder: string) =>
        writeIndex(
          folder,
          mapOf((map) => {
            map[first] = "/etc/model.safetensors";
          }),
        ),
      /index\.json.*plain shard file name/,
    ],
    [
      "a tensor that is nowhere",
      (folder: string) =>
        writeIndex(
          folder,
          mapOf((map) => {
            map["ghost.weight"] = shardName(0, 2);
          }),
        ),
      /index\.json.*"ghost\.weight".*does not hold it/,
    ],
    [
      "a tensor that is listed in the other shard",
      (folder: string) =>
        writeIndex(
          folder,
          mapOf((map) => {
            map[first] = shardName(1, 2);
          }),
        ),
      /model-00001-of-00002\.safetensors.*"model\.embed_tokens\.weight".*says that it is in/,
    ],
    [
      "a tensor that the index forgot",
      (folder: string) =>
        writeIndex(
          folder,
          mapOf((map) => {
            delete map[first];
          }),
        ),
      /model-00001-of-00002\.safetensors.*"model\.embed_tokens\.weight".*does not list it/,
    ],
    [
      "a tensor that is listed twice",
      (folder: string) =>
        writeFileSync(
          join(folder, "model.safetensors.index.json"),
          `{"weight_map":{"a":"x.safetensors","a":"x.safetensors"}}`,
        ),
      /index\.json.*"a".*twice/,
    ],
    [
      "an index that is no JSON",
      (folder: string) => writeFileSync(join(folder, "model.safetensors.index.json"), "{"),
      /index\.json/,
    ],
    [
      "an index without a weight_map",
      (folder: string) => writeFileSync(join(folder, "model.safetensors.index.json"), "{}"),
      /index\.json.*weight_map/,
    ],
  ])("is refused for %s", async (_, spoil, message) => {
    const input = writeShards(join(temporaryFolder(), "shards"), two);
    spoil(input);
    const error = await refusal(input);
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toMatch(message);
  });

  it("is refused for a tensor that two shards hold", async () => {
    const doubled = [tensors.slice(0, 5), tensors.slice(4)];
    const error = await refusal(writeShards(join(temporaryFolder(), "shards"), doubled));
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toContain(tensors[4]?.name);
    expect(error.message).toMatch(/model-0000[12]-of-00002\.safetensors/);
  });
});

describe("a hub cache", () => {
  it("is read through its links", async () => {
    const blobs = join(temporaryFolder(), "blobs");
    const snapshot = join(temporaryFolder(), "snapshot");
    mkdirSync(blobs);
    mkdirSync(snapshot);
    const files = { ...Object.fromEntries(filesBelow(single)), "tokenizer.json": "{}" };
    for (const [i, [name, bytes]] of Object.entries(files).entries()) {
      writeFileSync(join(blobs, `${i}`), bytes);
      symlinkSync(join(blobs, `${i}`), join(snapshot, name));
    }
    const out = await converted(snapshot);
    expect([...out.keys()]).toEqual(["config.json", "model.safetensors", "tokenizer.json"]);
    const name = "model.safetensors";
    sameBytes(out.get(name) as Buffer, expected.get(name) as Buffer, name);
    expect(out.get("tokenizer.json")?.toString()).toBe("{}");
  });

  it("is read through a link to the folder", async () => {
    const link = join(temporaryFolder(), "link");
    symlinkSync(single, link);
    const out = await converted(link);
    expect(out).toEqual(expected);
  });
});

describe("other files", () => {
  const kept = {
    "tokenizer.json": '{"a": 1}',
    "tokenizer_config.json": "{}",
    "generation_config.json": "{}",
    "special_tokens_map.json": "{}",
    "tokenizer.model": "bytes",
    "vocab.txt": "a\nb",
    "merges.txt": "a b",
    "chat_template.jinja": "{{ x }}",
    "README.md": "# model",
    LICENSE: "text",
    "modeling_custom.py": "pass",
    "training_args.bin": "arguments, no weights",
    "1_Pooling/config.json": "{}",
    "assets/picture.png": "png",
    ".gitattributes": "*.safetensors",
    "vocab.bin": "words",
    "adapter_model.safetensors": "another model's",
    "2_Dense/model.safetensors": "a module's",
    "2_Dense/pytorch_model.bin": "a module's",
  };
  const left = {
    "pytorch_model.bin": "old",
    "pytorch_model-00001-of-00002.bin": "old",
    "pytorch_model.bin.index.json": "{}",
    "model.safetensors.index.json": "{}",
    "flax_model.msgpack": "old",
    "tf_model.h5": "old",
    "model.gguf": "old",
    "onnx/model.onnx": "old",
    "original/consolidated.00.pth": "old",
    "consolidated.pt": "old",
    "model.ckpt": "old",
    ".git/config": "somebody's repository",
  };

  it("are copied, the old weights never", async () => {
    const folder = join(temporaryFolder(), "model");
    folderWith({ ...kept, ...left }, writeModel(folder, tensors));
    const out = await converted(folder);
    expect([...out.keys()]).toEqual(
      ["config.json", "model.safetensors", ...Object.keys(kept)].sort(),
    );
    for (const [name, text] of Object.entries(kept)) {
      expect(out.get(name)?.toString()).toBe(text);
    }
  });

  it("that are other forms of the weights are told of", async () => {
    const folder = join(temporaryFolder(), "model");
    folderWith(left, writeModel(folder, tensors));
    const { warnings } = await quantizeModel(folder, join(temporaryFolder(), "out"));
    expect(warnings.join("\n")).toMatch(
      /not copied, as other forms of the weights: .* and \d+ more/,
    );
  });

  it("of a bare file's folder stay where they are, but for its config", async () => {
    const folder = join(temporaryFolder(), "model");
    folderWith({ "tokenizer.json": "{}" }, writeModel(folder, tensors));
    const out = await converted(join(folder, "model.safetensors"));
    expect(out).toEqual(expected);
  });
});

describe("a directory", () => {
  it.each([
    ["nothing", {}, /no model\.safetensors and no model\.safetensors\.index\.json/],
    ["pickles", { "pytorch_model.bin": "x" }, /only PyTorch pickles.*safetensors first/],
    ["two files", { "a.safetensors": "", "b.safetensors": "" }, /2 \.safetensors files but no/],
  ])("with %s is refused with advice", async (_, files, message) => {
    const error = await refusal(folderWith({ ...files, "config.json": llamaConfig() }));
    expect(error).toBeInstanceOf(StorageError);
    expect(error.message).toMatch(message);
  });

  it("may hold one file of another name", async () => {
    const folder = folderWith({
      "weights.safetensors": readFileSync(join(single, "model.safetensors")),
      "config.json": llamaConfig(),
    });
    expect(await converted(folder)).toEqual(expected);
  });
});

describe("no input at all", () => {
  it.each(["missing", "missing.safetensors", "missing/model.safetensors"])("%s", async (name) => {
    const error = await refusal(join(temporaryFolder(), name));
    expect(error).toBeInstanceOf(StorageError);
    expect(error.message).toMatch(/cannot open .*missing.*: it does not exist/);
  });
});

it("a stream is refused by all jobs but quantizing", async () => {
  for (const job of [inspectModel("-"), compareModels("-", single), compareModels(single, "-")]) {
    const error = await errorOf(job);
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error.message).toMatch(/model: expected a file, a directory or an address: a stream/);
  }
});

describe("an already quantized checkpoint", () => {
  it.each(["llama_tiny_nf4_dq", "llama_tiny_nf4", "llama_tiny_fp4", "llama_tiny_int8"])(
    "is refused: %s, by its config and by its tensors",
    async (name) => {
      const byConfig = await refusal(goldenFolder(name));
      expect(byConfig).toBeInstanceOf(PlanError);
      expect(byConfig.message).toMatch(/config\.json.*already quantized.*bitsandbytes/);
      const bare = folderWith({
        "model.safetensors": readFileSync(join(goldenFolder(name), "model.safetensors")),
      });
      const byTensors = await refusal(bare);
      expect(byTensors).toBeInstanceOf(PlanError);
      expect(byTensors.message).toMatch(/already quantized.*model\.safetensors holds tensor/);
    },
  );

  it("may have had a null quantization_config", async () => {
    const config = llamaConfig({ quantization_config: null });
    const folder = writeModel(join(temporaryFolder(), "model"), tensors, config);
    expect((await converted(folder)).get("config.json")?.toString()).toContain('"load_in_4bit"');
  });
});

describe("a bad config.json", () => {
  it.each([
    ["no JSON", "{", /config\.json/],
    ["an array", "[]", /config\.json/],
    ["a key twice", '{"model_type": "llama", "model_type": "t5"}', /config\.json.*model_type/],
  ])("is refused: %s", async (_, text, message) => {
    const folder = writeModel(join(temporaryFolder(), "model"), tensors, text);
    const error = await refusal(folder);
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toMatch(message);
  });
});

describe("input = output", () => {
  const input = writeModel(join(temporaryFolder(), "model"), tensors);
  const before = filesBelow(input);
  const file = join(input, "model.safetensors");

  it.each([
    ["the directory itself", input, input],
    ["the directory itself, spelled otherwise", input, join(input, "..", basename(input), ".")],
    ["a directory inside", input, join(input, "out")],
    ["a file inside", input, join(input, "out.safetensors")],
    ["the file itself", file, file],
    ["the directory around", file, input],
  ])("is refused even with --overwrite: %s", async (_, from, to) => {
    const error = await errorOf(quantizeModel(from, to, { overwrite: true }));
    expect(error.message).toMatch(/output: expected a place of its own/);
    expect(filesBelow(input)).toEqual(before);
  });

  it("is refused through links", async () => {
    const link = join(temporaryFolder(), "link");
    symlinkSync(input, link);
    await errorOf(quantizeModel(link, input, { overwrite: true }));
    await errorOf(quantizeModel(input, join(link, "out"), { overwrite: true }));
    expect(filesBelow(input)).toEqual(before);
  });
});
