import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { dequantize, quantize } from "../../src/index.ts";
import { quantizeModel } from "../../src/node/quantize-model.ts";
import {
  floatBytesAs,
  normalFloats,
  opaque,
  readFile,
  type TestTensor,
  weights,
} from "../checkpoint/safetensors-files.ts";
import { errorOf } from "../checkpoint/streams.ts";
import { filesBelow, folderWith, temporaryFolder } from "../cli/quantwise.ts";
import { sameBytes } from "../kernels/calls.ts";
import { goldenGroup } from "../kernels/golden.ts";
import { converted, type Options, stateOf, UP } from "./converted.ts";
import { llamaConfig, llamaTensors, writeModel } from "./models.ts";

type Read = ReturnType<typeof readFile>;

describe("shards", () => {
  const tensors = llamaTensors({ layers: 6 });

  it.each([
    ["NF4", {}],
    ["LLM.int8", { quantType: "llm-int8" }],
  ] as const)("together hold what one file holds, and the index lists it: %s", async (_, type) => {
    const whole = await converted(tensors, type);
    const maxShardSize = 60_000;
    const { files, result } = await converted(tensors, { ...type, maxShardSize });
    const names = [...files.keys()].filter((name) => name.endsWith(".safetensors"));
    expect(names.length).toBeGreaterThan(3);
    for (const [i, name] of names.entries()) {
      const five = (n: number) => String(n).padStart(5, "0");
      expect(name).toBe(`model-${five(i + 1)}-of-${five(names.length)}.safetensors`);
    }
    expect(result.files.map(({ name, bytes }) => [name, bytes])).toEqual(
      names.map((name) => [name, files.get(name)?.byteLength]),
    );

    const index = JSON.parse(files.get("model.safetensors.index.json")?.toString() as string);
    const expected = whole.model as Read;
    let totalSize = 0;
    const found: string[] = [];
    for (const name of names) {
      const shard = readFile(files.get(name) as Buffer);
      expect(shard.metadata).toEqual({ format: "pt" });
      const dataBytes = shard.tensors.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
      expect(dataBytes).toBeLessThanOrEqual(maxShardSize);
      totalSize += dataBytes;
      for (const tensor of shard.tensors) {
        found.push(tensor.name);
        expect(index.weight_map[tensor.name]).toBe(name);
        sameBytes(tensor.bytes, expected.get(tensor.name).bytes, tensor.name);
      }
    }
    expect(found.sort()).toEqual(expected.tensors.map(({ name }) => name).sort());
    expect(Object.keys(index.weight_map)).toEqual([...found].sort());
    expect(index.metadata.total_size).toBe(totalSize);
    expect(files.get("config.json")).toEqual(whole.files.get("config.json"));

    const shardsOfLayer = new Map<string, Set<string>>();
    for (const [tensor, name] of Object.entries(index.weight_map as Record<string, string>)) {
      const layer = /^model\.layers\.\d+/.exec(tensor)?.[0];
      if (layer === undefined) continue;
      shardsOfLayer.set(layer, (shardsOfLayer.get(layer) ?? new Set()).add(name));
    }
    expect(shardsOfLayer.size).toBe(6);
    for (const shards of shardsOfLayer.values()) expect(shards.size).toBe(1);
  });

  it("keep a module's tensors together even where the module alone is too large", async () => {
    const { files } = await converted(tensors, { maxShardSize: 3000 });
    const index = JSON.parse(files.get("model.safetensors.index.json")?.toString() as string);
    const map = index.weight_map as Record<string, string>;
    const modules = new Map<string, Set<string>>();
    for (const [tensor, name] of Object.entries(map)) {
      const module = tensor.slice(0, tensor.indexOf("_proj") + 5);
      if (!tensor.includes("_proj")) continue;
      modules.set(module, (modules.get(module) ?? new Set()).add(name));
    }
    expect(modules.size).toBe(42);
    for (const names of modules.values()) expect(names.size).toBe(1);
  });

  it("are one file without an index when everything fits", async () => {
    const { files } = await converted(tensors, { maxShardSize: 5e9 });
    expect([...files.keys()]).toEqual(["config.json", "model.safetensors"]);
  });
});

describe("the file", () => {
  it.each(["F32", "F16", "BF16"] as const)("keeps the other tensors: %s", async (dtype) => {
    const tensors = llamaTensors({ layers: 1, dtype });
    const { model } = await converted(tensors);
    for (const tensor of tensors.filter(({ name }) => !name.includes("_proj"))) {
      expect(model?.get(tensor.name)).toMatchObject(tensor);
    }
    const names = { F32: "float32", F16: "float16", BF16: "bfloat16" };
    expect(stateOf(model, UP)).toMatchObject({ dtype: names[dtype], shape: [128, 64] });
  });

  it("holds what quantize() gives, tensor by tensor", async () => {
    const tensors = llamaTensors({ layers: 1 });
    for (const mode of ["torch", "cuda"] as const) {
      for (const quantType of ["nf4", "fp4"] as const) {
        const { model } = await converted(tensors, { mode, quantType, blockSize: 128 });
        const source = tensors.find(({ name }) => name === UP) as TestTensor;
        const bits = new Uint16Array(source.bytes.slice().buffer);
        const record = quantize(bits, {
          dtype: "bfloat16",
          mode,
          quantType,
          blockSize: 128,
          shape: source.shape,
        });
        sameBytes(model?.get(UP).bytes as Uint8Array, record.codes, "codes");
        const absmax = model?.get(`${UP}.absmax`).bytes as Uint8Array;
        sameBytes(absmax, record.absmax as Uint8Array, "absmax");
        expect(stateOf(model, UP, quantType)).toMatchObject({
          blocksize: 128,
          nested_offset: record.nested?.offset,
        });
      }
    }
  });

  it("tells mode cuda from mode torch", async () => {
    const zeros = [{ ...opaque(UP, "F32", [64, 64]), bytes: new Uint8Array(4 * 64 * 64) }];
    const torch = await converted(zeros, { doubleQuant: false });
    const cuda = await converted(zeros, { doubleQuant: false, mode: "cuda" });
    expect(new Set(torch.model?.get(UP).bytes)).toEqual(new Set([0x77]));
    expect(new Set(cuda.model?.get(UP).bytes)).toEqual(new Set([0]));
  });

  it("mixes f32, f16, bf16, one-element, empty and odd tensors", async () => {
    const tensors = [
      weights("model.layers.0.self_attn.q_proj.weight", [7, 13], "F32"),
      weights("model.layers.0.self_attn.k_proj.weight", [1, 1], "F16"),
      weights("model.layers.0.self_attn.v_proj.weight", [3, 129], "BF16"),
      opaque("model.layers.0.self_attn.o_proj.weight", "F32", [0, 64]),
      weights("model.layers.0.mlp.gate_proj.weight", [64, 64], "F16"),
      opaque("mask", "BOOL", [5]),
      opaque("steps", "I64", [1]),
      opaque("scalar", "F64", []),
    ];
    const { model, result } = await converted(tensors);
    expect(result.counts).toEqual({ nf4: 4, copy: 4 });
    for (const name of ["mask", "steps", "scalar", "model.layers.0.self_attn.o_proj.weight"]) {
      expect(model?.get(name)).toMatchObject(tensors.find((t) => t.name === name) as TestTensor);
    }
    expect(model?.get("model.layers.0.self_attn.q_proj.weight").shape).toEqual([46, 1]);
    expect(stateOf(model, "model.layers.0.self_attn.q_proj.weight").shape).toEqual([7, 13]);
    expect(model?.get("model.layers.0.self_attn.k_proj.weight").shape).toEqual([1, 1]);
    const { model: int8 } = await converted(tensors, { quantType: "llm-int8" });
    expect(int8?.get("model.layers.0.self_attn.v_proj.weight")).toMatchObject({
      dtype: "I8",
      shape: [3, 129],
    });
    expect(int8?.get("model.layers.0.self_attn.v_proj.SCB").shape).toEqual([3]);
    expect(int8?.get("model.layers.0.self_attn.v_proj.weight_format").shape).toEqual([]);
  });

  it.each([
    ["bfloat16", "BF16", 2],
    ["float16", "F16", 2],
    ["float32", "F32", 4],
  ] as const)("declares the packed bytes as %s", async (quantStorage, dtype, itemBytes) => {
    const tensors = llamaTensors({ layers: 1 });
    const plain = await converted(tensors);
    const { model, config } = await converted(tensors, { quantStorage });
    expect(model?.get(UP)).toMatchObject({ dtype, shape: [(128 * 64) / 2 / itemBytes, 1] });
    sameBytes(
      model?.get(UP).bytes as Uint8Array,
      plain.model?.get(UP).bytes as Uint8Array,
      "packed",
    );
    expect(config.quantization_config.bnb_4bit_quant_storage).toBe(quantStorage);
  });

  it("refuses a storage dtype that the packed bytes do not divide into, by name", async () => {
    const tensors = [weights(UP, [3, 3], "F32")];
    const error = await errorOf(converted(tensors, { quantStorage: "bfloat16" }));
    expect(error).toMatchObject({ code: "PLAN" });
    expect(error.message).toMatch(
      /"model\.layers\.0\.mlp\.up_proj\.weight": 5 packed bytes do not/,
    );
  });

  it.each([32, 64, 128, 256, 512, 1024, 2048, 4096])("takes blocks of %i", async (blockSize) => {
    const { model, result } = await converted(llamaTensors({ layers: 1 }), { blockSize });
    expect(stateOf(model, UP).blocksize).toBe(blockSize);
    expect(model?.get(`${UP}.absmax`).shape).toEqual([Math.ceil((128 * 64) / blockSize)]);
    expect(result.warnings.some((text) => text.includes("mistral.rs"))).toBe(blockSize === 32);
  });

  it("holds nothing but copies when nothing is chosen, and says so", async () => {
    const { model, result } = await converted(llamaTensors({ layers: 1 }), { exclude: ["**"] });
    expect(model?.tensors.every(({ dtype }) => dtype === "BF16")).toBe(true);
    expect(result.warnings.join()).toMatch(/no tensor is selected/);
  });
});

describe("GPT-2's Conv1D", () => {
  const group = goldenGroup("q4_nested");
  const golden = group.cases.find(({ id }) => id === "bf16.conv1d_64x96.64.nf4");
  if (golden === undefined) throw new Error("the golden case is gone");
  const name = "transformer.h.0.attn.c_attn.weight";
  const config = llamaConfig({ model_type: "gpt2", architectures: ["GPT2LMHeadModel"] });
  const tensor = {
    name,
    dtype: "BF16",
    shape: [64, 96],
    bytes: group.tensor(golden.input).bytes,
  };

  it("is stored transposed, as bitsandbytes does it", async () => {
    const { model } = await converted([tensor], { config });
    const stored = (key: string) => group.tensor(golden.tensors[key] as string).bytes;
    sameBytes(model?.get(name).bytes as Uint8Array, stored("weight"), "weight");
    const absmax = model?.get(`${name}.absmax`).bytes as Uint8Array;
    sameBytes(absmax, stored("default.absmax"), "absmax");
    expect(stateOf(model, name).shape).toEqual([96, 64]);
  });

  it("is stored transposed for LLM.int8 too, and left alone when it is copied", async () => {
    const { model } = await converted([tensor], { config, quantType: "llm-int8" });
    expect(model?.get(name).shape).toEqual([96, 64]);
    expect(model?.get("transformer.h.0.attn.c_attn.SCB").shape).toEqual([96]);
    const copied = await converted([tensor], { config, exclude: ["**"] });
    expect(copied.model?.get(name)).toMatchObject(tensor);
  });

  it("is transposed in strips when it is large", async () => {
    const [rows, columns] = [3000, 3100];
    const values = normalFloats(rows * columns, 77);
    const large = {
      name,
      dtype: "F32",
      shape: [rows, columns],
      bytes: floatBytesAs("F32", values),
    };
    const { model } = await converted([large], { config, doubleQuant: false });
    const turned = new Float32Array(values.length);
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) turned[c * rows + r] = values[r * columns + c] as number;
    }
    const record = quantize(turned, { doubleQuant: false });
    sameBytes(model?.get(name).bytes as Uint8Array, record.codes, "codes");
    expect(dequantize(record)).toHaveLength(values.length);
  });
});

describe("a dry run", () => {
  async function sizes(tensors: readonly TestTensor[], options: Options) {
    const folder = temporaryFolder();
    const input = writeModel(join(folder, "model"), tensors);
    const { config: _, ...rest } = options;
    const dry = await quantizeModel(input, join(folder, "out"), { ...rest, dryRun: true });
    expect([...filesBelow(folder).keys()]).toEqual([
      "model/config.json",
      "model/model.safetensors",
    ]);
    const real = await quantizeModel(input, join(folder, "out"), rest);
    return { dry, real, out: join(folder, "out") };
  }

  it.each([
    ["NF4", { doubleQuant: false }],
    ["FP4 in shards", { quantType: "fp4", doubleQuant: false, maxShardSize: 50_000 }],
    ["LLM.int8", { quantType: "llm-int8" }],
    ["copies", { exclude: ["**"] }],
  ] as const)("tells the exact size: %s", async (_, options) => {
    const { dry, real, out } = await sizes(llamaTensors({ layers: 3 }), options);
    expect(dry).toMatchObject({ dryRun: true, slackBytes: 0 });
    expect(dry.files).toEqual(real.files);
    expect(dry.bytesAfter).toBe(real.bytesAfter);
    expect(dry.counts).toEqual(real.counts);
    for (const { name, bytes } of dry.files) {
      expect(readFileSync(join(out, name)).byteLength).toBe(bytes);
    }
  });

  const constant = (value: number) =>
    llamaTensors({ layers: 3, dtype: "F32" }).map((tensor) => ({
      ...tensor,
      bytes: floatBytesAs("F32", new Float32Array(tensor.bytes.byteLength / 4).fill(value)),
    }));

  it.each([
    ["random weights", llamaTensors({ layers: 3 })],
    ["weights whose texts are shortest", constant(1)],
    ["weights whose texts are longest", constant(1.4012984643248171e-38)],
    ["many small tensors", llamaTensors({ layers: 40, hidden: 4, dtype: "F32" })],
    ["one tensor", [weights(UP, [64, 64])]],
  ])("bounds the size with nested statistics: %s", async (_, tensors) => {
    const { dry, real } = await sizes(tensors, {});
    expect(dry.slackBytes).toBeGreaterThan(0);
    expect(real.bytesAfter).toBeLessThanOrEqual(dry.bytesAfter);
    expect(real.bytesAfter).toBeGreaterThanOrEqual(dry.bytesAfter - dry.slackBytes);
    // A tight bound: it speaks of texts, not of tensors.
    expect(dry.slackBytes).toBeLessThan(40 * (dry.counts.nf4 ?? 0) + 100);
  });

  it("refuses what the real run refuses", async () => {
    const folder = folderWith({ "config.json": "{}" });
    await errorOf(quantizeModel(folder, join(folder, "..", "out"), { dryRun: true }));
  });
});
