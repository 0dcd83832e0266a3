/** What config.json says of packed weights: which modules loaders take for quantized, and how. */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseModelConfig } from "../../src/checkpoint/config/model-config.ts";
import { packedScheme, plainConfigText } from "../../src/checkpoint/config/plain-config.ts";
import { PlanError } from "../../src/index.ts";
import { type QuantizeModelOptions, quantizeModel } from "../../src/node/index.ts";
import { temporaryFolder } from "../cli/quantwise.ts";
import { referenceFile, type TestTensor, weights } from "./safetensors-files.ts";

const configOf = (json: object) =>
  parseModelConfig(Buffer.from(JSON.stringify(json)), "config.json");

async function packed(
  config: object,
  tensors: readonly TestTensor[],
  options: QuantizeModelOptions = {},
) {
  const folder = join(temporaryFolder(), "model");
  mkdirSync(folder);
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  writeFileSync(join(folder, "model.safetensors"), referenceFile(tensors));
  const out = join(temporaryFolder(), "out");
  const warnings: string[] = [];
  await quantizeModel(folder, out, {
    quantType: "int4",
    format: "compressed-tensors",
    onPlan: (plan) => warnings.push(...plan.warnings),
    ...options,
  });
  const written = JSON.parse(readFileSync(join(out, "config.json"), "utf8"));
  return { section: written.quantization_config, warnings };
}

/** Ran with transformers 5.23 and compressed-tensors 0.20: scripts/parity/check_compressed_tensors.py. */
describe("names in a compressed-tensors config", () => {
  const LLAVA = {
    model_type: "llava",
    architectures: ["LlavaForConditionalGeneration"],
    tie_word_embeddings: false,
  };
  const llava = [
    "language_model.model.embed_tokens",
    "language_model.model.layers.0.mlp.up_proj",
    "language_model.lm_head",
    "vision_tower.vision_model.encoder.layers.0.mlp.fc1",
    "multi_modal_projector.linear_1",
  ].map((name) => weights(`${name}.weight`, [64, 64]));

  it("are those of the file and of the loaded model", async () => {
    const { section } = await packed(LLAVA, llava, { exclude: ["vision_tower.**"] });
    expect(section.ignore).toEqual(
      expect.arrayContaining([
        "vision_tower.vision_model.encoder.layers.0.mlp.fc1",
        "model.vision_tower.encoder.layers.0.mlp.fc1",
        "language_model.lm_head",
        "lm_head",
      ]),
    );
    expect(section.ignore.join()).not.toMatch(/up_proj|linear_1/);
    expect(section.config_groups.group_0.targets).toEqual(["Linear"]);
  });

  it("are those of both in the targets of a second type, too", async () => {
    const { section, warnings } = await packed(LLAVA, llava, {
      rules: [{ pattern: "vision_tower.**", action: "int8" }],
    });
    expect(section.config_groups.group_1.targets).toEqual(
      expect.arrayContaining([
        "vision_tower.vision_model.encoder.layers.0.mlp.fc1",
        "model.vision_tower.encoder.layers.0.mlp.fc1",
      ]),
    );
    expect(section.config_groups.group_1.weights.num_bits).toBe(8);
    expect(warnings.join("\n")).toMatch(/int4 and int8 in one checkpoint: .*load it as it is/);
  });

  it("hold a tied head that the file lacks", async () => {
    const names = [
      "bert.embeddings.word_embeddings",
      "bert.encoder.layer.0.output.dense",
      "cls.predictions.transform.dense",
    ];
    const bert = { model_type: "bert", architectures: ["BertForMaskedLM"] };
    const { section } = await packed(
      bert,
      names.map((name) => weights(`${name}.weight`, [64, 64])),
    );
    expect(section.ignore).toContain("cls.predictions.decoder");
    expect(section.ignore).not.toContain("bert.encoder.layer.0.output.dense");
  });

  it("lose the head when it is quantized", async () => {
    const llama = { model_type: "llama", architectures: ["LlamaForCausalLM"] };
    const names = ["model.layers.0.mlp.up_proj", "lm_head", "model.embed_tokens"];
    const tensors = names.map((name) => weights(`${name}.weight`, [64, 64]));
    const head = await packed(llama, tensors, {
      rules: [{ pattern: "lm_head.weight", action: "int4" }],
    });
    expect(head.section.ignore).toEqual(["model.embed_tokens"]);
    expect((await packed(llama, tensors)).section.ignore).toEqual(
      expect.arrayContaining(["lm_head", "model.embed_tokens"]),
    );
  });
});

describe("what compressed-tensors cannot hold", () => {
  it("is refused: a Conv1D, for which transformers would take random weights", async () => {
    const gpt2 = { model_type: "gpt2", architectures: ["GPT2LMHeadModel"] };
    const tensors = [weights("transformer.h.0.attn.c_attn.weight", [64, 192])];
    await expect(packed(gpt2, tensors)).rejects.toThrow(PlanError);
    await expect(packed(gpt2, tensors)).rejects.toThrow(/belongs to a Conv1D/);
  });

  it("is warned of: experts in float", async () => {
    const mixtral = { model_type: "mixtral", architectures: ["MixtralForCausalLM"] };
    const names = ["self_attn.q_proj", "block_sparse_moe.experts.0.w1"];
    const tensors = names.map((name) => weights(`model.layers.0.${name}.weight`, [64, 64]));
    const { warnings } = await packed(mixtral, tensors);
    expect(warnings.join("\n")).toMatch(/the experts stay in float.*--rule/);
    const all = await packed(mixtral, tensors, {
      rules: [{ pattern: "**.experts.**", action: "int4" }],
    });
    expect(all.warnings.join("\n")).not.toMatch(/experts stay in float/);
  });
});

describe("packedScheme", () => {
  const scheme = (groups: object) =>
    packedScheme(configOf({ quantization_config: { config_groups: groups } }));
  const int4 = { num_bits: 4, symmetric: true };
  const int8 = { num_bits: 8, symmetric: false };

  it("is the module's own group, else the one of all Linear modules", () => {
    const of = scheme({
      a: { targets: ["Linear"], weights: int4 },
      b: { targets: ["x.y"], weights: int8 },
    });
    expect(of("x.y")).toEqual({ bits: 8, symmetric: false });
    expect(of("x")).toEqual({ bits: 4, symmetric: true });
  });

  it("is the only group, whatever its targets", () => {
    expect(scheme({ a: { targets: ["re:.*proj"], weights: int8 } })("x")).toEqual({
      bits: 8,
      symmetric: false,
    });
  });

  it("is nothing where patterns would have to decide, or nothing is said", () => {
    const of = scheme({
      a: { targets: ["Linear"], weights: int4 },
      b: { targets: ["re:.*proj"], weights: int8 },
    });
    expect(of("x")).toEqual({});
    expect(packedScheme(undefined)("x")).toEqual({});
    expect(packedScheme(configOf({ quantization_config: { config_groups: [1] } }))("x")).toEqual(
      {},
    );
    expect(scheme({ a: { targets: "Linear", weights: 4 } })("x")).toEqual({
      bits: undefined,
      symmetric: undefined,
    });
  });
});

describe("plainConfigText", () => {
  it("keeps every number's spelling and takes the section out", () => {
    const text = '{"rms_norm_eps": 1e-05, "theta": 10000.0, "quantization_config": {"a": 1}}';
    const config = parseModelConfig(Buffer.from(text), "config.json");
    expect(plainConfigText(config, undefined)).toBe(
      '{\n  "rms_norm_eps": 1e-05,\n  "theta": 10000.0\n}\n',
    );
    expect(plainConfigText(config, "float16")).toContain('"dtype": "float16"');
  });
});
