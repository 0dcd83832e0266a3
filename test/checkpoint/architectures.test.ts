import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  layerRules,
  type ModelIdentity,
  skipModules,
} from "../../src/checkpoint/architectures/index.ts";
import {
  isPlainEntry,
  ModuleIndex,
  v4Skips,
  v5EarlySkips,
  v5Skips,
} from "../../src/checkpoint/architectures/matchers.ts";
import { PlanError } from "../../src/foundation/errors.ts";

function identity(modelType: string, className: string, tied?: boolean): ModelIdentity {
  return { modelType, architectures: [className], tieWordEmbeddings: tied };
}

/** Splits module paths by the default set. */
function plan(id: ModelIdentity, modules: readonly string[]) {
  const rules = layerRules(id);
  const quantized = modules.filter((path) => rules.isDefault(`${path}.weight`, 2));
  const kept = modules.filter((path) => !quantized.includes(path));
  return { quantized, kept, skip: skipModules(id, quantized, kept) };
}

const attention = ["q_proj", "k_proj", "v_proj", "o_proj"].map((leaf) => `self_attn.${leaf}`);
const mlp = ["gate_proj", "up_proj", "down_proj"].map((leaf) => `mlp.${leaf}`);
const decoder = (prefix: string, layers = 2): string[] =>
  Array.from({ length: layers }, (_, i) =>
    [...attention, ...mlp].map((leaf) => `${prefix}layers.${i}.${leaf}`),
  ).flat();

function parentOf(projection: string): string {
  return projection.startsWith("gate") ? "mlp." : "self_attn.";
}

describe("decoder language models", () => {
  it.each([
    ["llama", "LlamaForCausalLM", false],
    ["qwen3", "Qwen3ForCausalLM", true],
    ["gemma", "GemmaForCausalLM", undefined],
    ["mistral", "MistralForCausalLM", undefined],
  ])("%s: all Linears but lm_head, and null", (modelType, className, tied) => {
    const linears = decoder("model.");
    const head = tied === false ? ["lm_head"] : [];
    const got = plan(identity(modelType, className, tied), [
      "model.embed_tokens",
      ...linears,
      ...head,
    ]);
    expect(got.quantized).toEqual(linears);
    expect(got.skip).toBeNull();
  });

  it("takes rank 2 weights only, never biases and norms", () => {
    const rules = layerRules(identity("llama", "LlamaForCausalLM"));
    expect(rules.known).toBe(true);
    expect(rules.isDefault("model.layers.0.mlp.up_proj.weight", 2)).toBe(true);
    expect(rules.isDefault("model.layers.0.mlp.up_proj.weight", 3)).toBe(false);
    expect(rules.isDefault("model.layers.0.mlp.up_proj.bias", 2)).toBe(false);
    expect(rules.kindOf("model.layers.0.input_layernorm.weight", 1)).toBeUndefined();
    expect(rules.kindOf("model.embed_tokens.weight", 2)).toBeUndefined();
    expect(rules.kindOf("lm_head.weight", 2)).toBe("linear");
    expect(rules.isDefault("lm_head.weight", 2)).toBe(false);
  });

  it("lists what the user kept, with lm_head also when it is tied", () => {
    const all = decoder("model.", 12);
    const kept = all.filter((path) => path.includes("layers.1.mlp"));
    const quantized = all.filter((path) => !kept.includes(path));
    const fused = "model.layers.1.mlp.gate_up_proj";
    expect(skipModules(identity("llama", "LlamaForCausalLM", true), quantized, kept)).toEqual([
      "lm_head",
      ...[...kept, fused].toSorted(),
    ]);
  });

  it("names a fused layer of vLLM only where all of its parts are float", () => {
    const all = decoder("model.", 12);
    const parts = ["q_proj", "k_proj", "gate_proj"].map(
      (name) => `layers.1.${parentOf(name)}${name}`,
    );
    const kept = all.filter((path) => parts.some((part) => path.endsWith(part)));
    const quantized = all.filter((path) => !kept.includes(path));
    const list = skipModules(identity("llama", "LlamaForCausalLM", true), quantized, kept);
    expect(kept).toHaveLength(3);
    expect(list).toEqual(["lm_head", ...kept.toSorted()]);

    const withV = [...kept, "model.layers.1.self_attn.v_proj"];
    const others = quantized.filter((path) => !withV.includes(path));
    expect(skipModules(identity("llama", "LlamaForCausalLM", true), others, withV)).toContain(
      "model.layers.1.self_attn.qkv_proj",
    );
  });

  it("lists nothing for a quantized lm_head: [] means that nothing is skipped", () => {
    const id = identity("llama", "LlamaForCausalLM", false);
    expect(skipModules(id, [...decoder("model."), "lm_head"], ["model.embed_tokens"])).toEqual([]);
  });

  it("gives no null where OLMo's last Linear counts as the last parameter", () => {
    const id = identity("olmo", "OlmoForCausalLM", true);
    expect(plan(id, decoder("model.")).skip).toEqual(["lm_head"]);
  });

  it("adds the prefix that a file of the base model lacks", () => {
    const all = decoder("", 2);
    const kept = ["layers.1.mlp.up_proj"];
    const quantized = all.filter((path) => !kept.includes(path));
    expect(skipModules(identity("llama", "LlamaForCausalLM"), quantized, kept)).toEqual([
      "lm_head",
      "model.layers.1.mlp.up_proj",
    ]);
    expect(skipModules(identity("llama", "LlamaModel"), quantized, kept)).toEqual(kept);
  });

  it("quantizes a classifier's body and keeps its score head", () => {
    const id = identity("llama", "LlamaForSequenceClassification", false);
    expect(plan(id, [...decoder("model."), "score"])).toMatchObject({
      kept: ["score"],
      skip: null,
    });
  });
});

describe("other architectures", () => {
  it("gpt2: Conv1D with and without the transformer. prefix, null", () => {
    const id = identity("gpt2", "GPT2LMHeadModel");
    const rules = layerRules(id);
    for (const prefix of ["", "transformer."]) {
      const modules = ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"].map(
        (leaf) => `${prefix}h.0.${leaf}`,
      );
      for (const path of modules) expect(rules.kindOf(`${path}.weight`, 2)).toBe("conv1d");
      const embeddings = [`${prefix}wte`, `${prefix}wpe`];
      const got = plan(id, [...embeddings, ...modules]);
      expect(got.kept).toEqual(embeddings);
      expect(got.skip).toBeNull();
    }
  });

  it("t5: not wo, not relative_attention_bias; wo cannot be forced", () => {
    const id = identity("t5", "T5ForConditionalGeneration", true);
    const block = "encoder.block.0.layer";
    const got = plan(id, [
      "shared",
      `${block}.0.SelfAttention.q`,
      `${block}.0.SelfAttention.relative_attention_bias`,
      `${block}.1.DenseReluDense.wi`,
      `${block}.1.DenseReluDense.wo`,
      "lm_head",
    ]);
    expect(got.quantized).toEqual([`${block}.0.SelfAttention.q`, `${block}.1.DenseReluDense.wi`]);
    expect(got.skip).toBeNull();
    expect(() => skipModules(id, [`${block}.1.DenseReluDense.wo`], [])).toThrow(PlanError);
  });

  it("bert: the loaders disagree about the last Linears, so a list", () => {
    const body = [
      "encoder.layer.0.attention.self.query",
      "encoder.layer.0.attention.output.dense",
      "encoder.layer.0.output.dense",
    ];
    const base = plan(identity("bert", "BertModel"), [
      "embeddings.token_type_embeddings",
      ...body,
      "pooler.dense",
    ]);
    expect(base.quantized).toEqual(body);
    expect(base.skip).toEqual(["pooler.dense"]);
    const masked = plan(identity("bert", "BertForMaskedLM", true), [
      ...body.map((path) => `bert.${path}`),
      "cls.predictions.transform.dense",
    ]);
    expect(masked.skip).toEqual(["cls.predictions.decoder", "cls.predictions.transform.dense"]);
  });

  it("mixtral: experts and routers stay in float, named as one list a layer", () => {
    const id = identity("mixtral", "MixtralForCausalLM", false);
    const moe = "model.layers.0.block_sparse_moe";
    const attn = attention.map((leaf) => `model.layers.0.${leaf}`);
    const experts = ["w1", "w2", "w3"].flatMap((leaf) => [
      `${moe}.experts.0.${leaf}`,
      `${moe}.experts.1.${leaf}`,
    ]);
    const got = plan(id, [...attn, ...experts, `${moe}.gate`, "lm_head"]);
    expect(got.quantized).toEqual(attn);
    expect(got.skip).toEqual(["lm_head", `${moe}.experts`, `${moe}.gate`]);
    const rules = layerRules(id);
    expect(rules.kindOf(`${moe}.experts.1.w2.weight`, 2)).toBe("linear");
    expect(rules.isVersionBound(`${moe}.experts.1.w2.weight`, 2)).toBe(true);
    expect(skipModules(id, [...attn, ...experts], [`${moe}.gate`])).toEqual([
      "lm_head",
      `${moe}.gate`,
    ]);
  });

  it("llava: entries are spelled as in the loaded model", () => {
    const id = identity("llava", "LlavaForConditionalGeneration", false);
    const text = decoder("language_model.model.", 1);
    const got = plan(id, [...text, "language_model.lm_head", "multi_modal_projector.linear_1"]);
    expect(got.skip).toBeNull();
    expect(
      skipModules(id, text, ["language_model.lm_head", "multi_modal_projector.linear_1"]),
    ).toEqual(["lm_head", "model.multi_modal_projector.linear_1"]);
  });

  it("vit: both spellings where v5 renames modules", () => {
    const id = identity("vit", "ViTModel");
    const base = "encoder.layer.0";
    expect(skipModules(id, [`${base}.output.dense`], [`${base}.intermediate.dense`])).toEqual([
      `${base}.intermediate.dense`,
      "layers.0.mlp.fc1",
      "pooler.dense",
    ]);
  });

  it("falcon: v5 does not replace its Linear subclass", () => {
    const rules = layerRules(identity("falcon", "FalconForCausalLM"));
    const name = "transformer.h.0.mlp.dense_h_to_4h.weight";
    expect(rules.kindOf(name, 2)).toBe("linear");
    expect(rules.isDefault(name, 2)).toBe(false);
    expect(rules.isVersionBound(name, 2)).toBe(true);
  });
});

describe("unknown classes and types", () => {
  it("a known type with an unknown class gets a list", () => {
    expect(plan(identity("llama", "LlamaForSomething"), decoder("model.")).skip).toEqual([
      "lm_head",
    ]);
  });

  it("an unknown type: well-known suffixes and every other matrix listed", () => {
    const id = identity("quuxformer", "QuuxForCausalLM");
    const got = plan(id, [
      "net.embed",
      "net.layers.0.q_proj",
      "net.layers.0.gate",
      "net.layers.0.experts.0.up_proj",
      "net.layers.0.mystery",
    ]);
    expect(layerRules(id).known).toBe(false);
    expect(got.quantized).toEqual(["net.layers.0.q_proj"]);
    expect(got.skip).toEqual([
      "lm_head",
      "net.embed",
      "net.layers.0.experts",
      "net.layers.0.gate",
      "net.layers.0.mystery",
    ]);
    expect(skipModules({ architectures: [] }, ["a.q_proj"], [])).toEqual(["lm_head"]);
  });

  it("refuses an entry that would hit a quantized module", () => {
    const id: ModelIdentity = { architectures: [] };
    expect(() => skipModules(id, ["net.mlp.gate_proj"], ["net.mlp.gate"])).toThrow(PlanError);
    expect(() => skipModules(id, ["a.proj.up"], ["proj"])).toThrow(/"proj"/);
    expect(() => skipModules(id, ["a.b"], ["c[0]"])).toThrow(/regular expressions/);
  });
});

describe("matchers", () => {
  it.each([
    // entry, path, v4, v5 to 5.19, v5 later
    ["lm_head", "lm_head", true, true, true],
    ["fc1", "model.layers.2.fc1", true, true, true],
    ["fc1", "model.layers.2.xfc1", false, true, true],
    ["mlp.gate", "mlp.gate_proj", false, true, false],
    ["mlp.gate", "layers.0.mlp.gate", false, true, true],
    ["mlp.gate", "layers.0.mlp.gate.x", true, false, false],
    ["model.layers.1", "model.layers.10.fc1", false, true, false],
    ["model.layers.1", "model.layers.1.fc1", true, true, true],
    ["a.b", "axb.c", false, true, true],
    ["experts", "shared_experts.up", true, false, false],
  ] as const)("%s against %s", (entry, path, v4, early, v5) => {
    expect([v4Skips(entry, path), v5EarlySkips(entry, path), v5Skips(entry, path)]).toEqual([
      v4,
      early,
      v5,
    ]);
  });

  it("the index finds a hit exactly when some matcher hits", () => {
    const name = fc.stringMatching(/^[ab1](\.?[ab1]){0,5}$/);
    fc.assert(
      fc.property(fc.array(name, { maxLength: 8 }), name, (paths, entry) => {
        const hits = paths.some((p) => [v4Skips, v5EarlySkips, v5Skips].some((f) => f(entry, p)));
        expect(new ModuleIndex(paths).hitBy(entry) !== undefined).toBe(hits);
      }),
      { numRuns: 5000 },
    );
  });

  it("knows which entries are regular expressions", () => {
    expect(isPlainEntry("model.layers.0.up-proj_1")).toBe(true);
    for (const entry of ["", "a*", "a[0]", "a(b)", "a\\b", "a+b"]) {
      expect(isPlainEntry(entry)).toBe(false);
    }
  });

  it("handles 100,000 modules in seconds", () => {
    const all = decoder("model.", 14_300);
    const kept = all.filter((_, i) => i % 3 === 0);
    const quantized = all.filter((_, i) => i % 3 !== 0);
    const start = performance.now();
    const skip = skipModules(identity("llama", "LlamaForCausalLM"), quantized, kept);
    expect(skip?.length).toBe(kept.length + 1);
    expect(performance.now() - start).toBeLessThan(20_000);
  }, 60_000);
});
