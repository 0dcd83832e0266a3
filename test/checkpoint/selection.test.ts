import { describe, expect, it } from "vitest";
import { globMatcher } from "../../src/checkpoint/glob.ts";
import { Plan, type PlanOptions } from "../../src/checkpoint/plan.ts";
import { parseRule } from "../../src/checkpoint/rules.ts";
import { HeaderParser } from "../../src/formats/safetensors/index.ts";
import { ArgumentError, PlanError } from "../../src/foundation/errors.ts";
import { llamaTensors } from "../node/models.ts";
import { opaque, referenceFile, type TestTensor, weights } from "./safetensors-files.ts";

const LLAMA = { modelType: "llama", architectures: ["LlamaForCausalLM"] };
const UNKNOWN = { modelType: "brand-new", architectures: ["BrandNewModel"] };

function planOf(tensors: readonly TestTensor[], options: PlanOptions = {}, model = LLAMA): Plan {
  const file = referenceFile(tensors);
  const parser = new HeaderParser({ file: "model.safetensors", fileByteLength: file.byteLength });
  parser.push(file);
  return new Plan([{ name: "model.safetensors", table: parser.finish() }], model, options);
}

/** name → action of everything that is not copied. */
function chosen(
  tensors: readonly TestTensor[],
  options: PlanOptions = {},
  model = LLAMA,
): Record<string, string> {
  const units = [...planOf(tensors, options, model).units()];
  return Object.fromEntries(
    units
      .filter(({ action }) => action !== "copy")
      .map(({ entry, action }) => [entry.name, action]),
  );
}

describe("a glob", () => {
  it.each([
    ["a.b.c", "a.b.c", true],
    ["a.b.c", "a.b.c.d", false],
    ["a.b", "xa.b", false],
    ["*.weight", "lm_head.weight", true],
    ["*.weight", "a.b.weight", false],
    ["a.*.c", "a.b.c", true],
    ["a.*.c", "a.b.b.c", false],
    ["a.q_*.weight", "a.q_proj.weight", true],
    ["a.q_*.weight", "a.q.proj.weight", false],
    ["**.weight", "a.b.c.weight", true],
    ["**.weight", "weight", true],
    ["a.**.weight", "a.weight", true],
    ["a.**.weight", "a.b.c.weight", true],
    ["**", "anything.at.all", true],
    ["**.mlp.**", "model.layers.0.mlp.up_proj.weight", true],
    ["**.mlp.**", "mlp.up_proj.weight", true],
    ["**mlp**", "model.layers.0.mlp.up_proj.weight", true],
    ["**proj.weight", "model.layers.0.mlp.up_proj.weight", true],
    ["model**weight", "model.layers.0.mlp.up_proj.weight", true],
    ["layers.?.w", "layers.3.w", true],
    ["layers.?.w", "layers.13.w", false],
    ["layers.[0-3].w", "layers.3.w", true],
    ["layers.[0-3].w", "layers.4.w", false],
    ["layers.{1,7}.w", "layers.7.w", true],
    ["layers.{1,7}.w", "layers.2.w", false],
    ["!a.b", "c", false],
    ["a/b", "a.b", false],
    ["a/b", "a/b", true],
    ["*", "a/b", true],
    [".hidden", ".hidden", true],
    ["**.w", ".hidden.w", true],
  ])("%s on %s: %s", (pattern, name, expected) => {
    expect(globMatcher(pattern)(name)).toBe(expected);
  });

  it("is never empty", () => {
    expect(() => globMatcher("")).toThrow(ArgumentError);
  });
});

describe("a rule's text", () => {
  it.each([
    ["**.mlp.*=fp4", { pattern: "**.mlp.*", action: "fp4" }],
    ["a=b.weight=copy", { pattern: "a=b.weight", action: "copy" }],
    ["**=llm-int8", { pattern: "**", action: "llm-int8" }],
    ["**=mxfp8-e5m2", { pattern: "**", action: "mxfp8-e5m2" }],
  ])("splits %s at the last =", (text, rule) => {
    expect(parseRule(text)).toEqual(rule);
  });

  it.each(["**", "=nf4", "a=int3", "a=", "", "a=NF4"])("refuses %j", (text) => {
    expect(() => parseRule(text)).toThrow(ArgumentError);
    expect(() => parseRule(text)).toThrow(/'GLOB=nf4\|fp4\|.*\|fp8-e5m2\|copy'/);
  });
});

describe("the order of decisions", () => {
  const tensors = llamaTensors({ layers: 1 });
  const q = "model.layers.0.self_attn.q_proj.weight";
  const down = "model.layers.0.mlp.down_proj.weight";
  const norm = "model.norm.weight";

  it("is the default: the linear layers, and nothing else", () => {
    const names = Object.keys(chosen(tensors)).sort();
    expect(names).toEqual(
      ["self_attn.q", "self_attn.k", "self_attn.v", "self_attn.o", "mlp.gate", "mlp.up", "mlp.down"]
        .map((name) => `model.layers.0.${name}_proj.weight`)
        .sort(),
    );
  });

  it("is exclude, then rules in their order, then include", () => {
    const actions = chosen(tensors, {
      quantType: "nf4",
      exclude: ["**.down_proj.*"],
      rules: [
        { pattern: "**.q_proj.weight", action: "fp4" },
        { pattern: "**.self_attn.**", action: "llm-int8" },
        { pattern: "**.down_proj.weight", action: "fp4" },
        { pattern: "**.up_proj.weight", action: "copy" },
      ],
      include: ["**.mlp.**", "lm_head.weight"],
    });
    expect(actions).toEqual({
      [q]: "fp4",
      "model.layers.0.self_attn.k_proj.weight": "llm-int8",
      "model.layers.0.self_attn.v_proj.weight": "llm-int8",
      "model.layers.0.self_attn.o_proj.weight": "llm-int8",
      "model.layers.0.mlp.gate_proj.weight": "nf4",
      "lm_head.weight": "nf4",
    });
    expect(actions[down]).toBeUndefined();
  });

  it("lets rules add to the default set, which include replaces", () => {
    const rules = [{ pattern: "lm_head.weight", action: "fp4" as const }];
    expect(Object.keys(chosen(tensors, { rules }))).toHaveLength(8);
    expect(chosen(tensors, { include: ["lm_head.weight"] })).toEqual({ "lm_head.weight": "nf4" });
  });

  it("lets a rule name any float tensor of any rank, include only matrices", () => {
    const rules = [{ pattern: "**.norm.weight", action: "nf4" as const }];
    expect(chosen(tensors, { rules })[norm]).toBe("nf4");
    expect(chosen(tensors, { include: ["**"] })[norm]).toBeUndefined();
    const experts = [weights("experts.gate_up", [4, 8, 16])];
    const fused = [{ pattern: "experts.*", action: "fp4" as const }];
    expect(chosen(experts, { rules: fused })).toEqual({ "experts.gate_up": "fp4" });
  });

  it("refuses llm-int8 of another rank, and what is no float, by name", () => {
    const rules = [{ pattern: "**.norm.weight", action: "llm-int8" as const }];
    const act = () => planOf(tensors, { rules });
    expect(act).toThrow(PlanError);
    expect(act).toThrow(/"model\.norm\.weight".*llm-int8, which needs rank 2.*\[64\]/);
    const ids = [opaque("ids", "I64", [4, 4])];
    expect(() => planOf(ids, { rules: [{ pattern: "ids", action: "nf4" }] })).toThrow(
      /"ids".*dtype is I64/,
    );
  });

  it("refuses llm-int8 of a tensor that is not called weight", () => {
    const odd = [weights("experts.first", [4, 8])];
    const rules = [{ pattern: "experts.*", action: "llm-int8" as const }];
    const act = () =>
      [...planOf(odd, { rules }).units()].map((u) => planOf(odd, { rules }).outputs(u, "longest"));
    expect(act).toThrow(/"experts\.first".*llm-int8 stores its scales beside/);
  });

  it("copies empty tensors whatever was asked for", () => {
    const empty = [opaque("model.layers.0.mlp.up_proj.weight", "F32", [0, 64])];
    expect(chosen(empty)).toEqual({});
    expect(chosen(empty, { rules: [{ pattern: "**", action: "fp4" }] })).toEqual({});
  });

  it("takes single-element matrices", () => {
    const one = [weights("model.layers.0.mlp.up_proj.weight", [1, 1])];
    expect(Object.keys(chosen(one))).toHaveLength(1);
  });
});

describe("models", () => {
  it("that nobody knows get well-known linear layers only", () => {
    const tensors = [
      weights("blocks.0.attn.q_proj.weight", [8, 8]),
      weights("blocks.0.attn.wqkv.weight", [8, 8]),
      weights("blocks.0.experts.3.up_proj.weight", [8, 8]),
      weights("embed.weight", [8, 8]),
      weights("lm_head.weight", [8, 8]),
      weights("blocks.0.fc1.weight", [8]),
    ];
    expect(Object.keys(chosen(tensors, {}, UNKNOWN))).toEqual(["blocks.0.attn.q_proj.weight"]);
  });

  it("with Conv1D have those transposed, and only those", () => {
    const model = { modelType: "gpt2", architectures: ["GPT2LMHeadModel"] };
    const tensors = [
      weights("transformer.h.0.attn.c_attn.weight", [8, 24]),
      weights("transformer.wte.weight", [16, 8]),
      weights("transformer.wpe.weight", [16, 8]),
      weights("transformer.h.0.ln_1.weight", [8]),
    ];
    const units = [...planOf(tensors, {}, model).units()].filter(({ action }) => action !== "copy");
    expect(units.map(({ entry, transpose }) => [entry.name, transpose])).toEqual([
      ["transformer.h.0.attn.c_attn.weight", true],
    ]);
  });
});

describe("the order of units", () => {
  it("is that of the data in the files", () => {
    const tensors = llamaTensors({ layers: 1 });
    const plan = planOf(tensors);
    expect(plan.length).toBe(tensors.length);
    const begins = [...plan.units()].map(({ entry }) => entry.begin);
    expect(begins).toEqual([...begins].sort((a, b) => a - b));
  });
});
