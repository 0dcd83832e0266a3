import { describe, expect, it } from "vitest";
import { FILE_TYPES, type GgufFileType } from "../../src/gguf/file-types.ts";
import { chooseTypes } from "../../src/gguf/mixture.ts";
import type { ModelFacts } from "../../src/gguf/model-facts.ts";
import { mixtureText } from "../formats/gguf/vectors.ts";

interface Config {
  readonly n_layer: number;
  readonly n_embd: number;
  readonly n_head: number;
  readonly n_head_kv: number;
  readonly head_dim: number;
  readonly n_ff: number;
  readonly n_vocab: number;
  readonly tied: boolean;
  readonly n_expert: number;
  readonly ftypes: Readonly<Record<string, Readonly<Record<string, string | number>>>>;
}

const mixture = JSON.parse(mixtureText()) as {
  readonly legend: Readonly<Record<string, string>>;
  readonly configs: Readonly<Record<string, Config>>;
  readonly affected_by_version_difference: readonly (readonly string[])[];
};

const typeOfLetter = new Map(
  Object.entries(mixture.legend).map(([type, letter]) => [letter, type]),
);
const affected = new Set(mixture.affected_by_version_difference.map((entry) => entry.join()));

function tensorsOf(config: Config): { name: string; dimensions: number[] }[] {
  const { n_embd, n_head, n_head_kv, head_dim, n_ff, n_vocab, tied, n_expert } = config;
  const tensors = [
    { name: "token_embd.weight", dimensions: [n_embd, n_vocab] },
    { name: "output_norm.weight", dimensions: [n_embd] },
  ];
  if (!tied) tensors.push({ name: "output.weight", dimensions: [n_embd, n_vocab] });
  const experts = n_expert > 0 ? [n_expert] : [];
  const suffix = n_expert > 0 ? "_exps" : "";
  for (let layer = config.n_layer - 1; layer >= 0; layer--) {
    const add = (name: string, ...dimensions: number[]) =>
      tensors.push({ name: `blk.${layer}.${name}.weight`, dimensions });
    add("attn_norm", n_embd);
    add("attn_q", n_embd, head_dim * n_head);
    add("attn_k", n_embd, head_dim * n_head_kv);
    add("attn_v", n_embd, head_dim * n_head_kv);
    add("attn_output", head_dim * n_head, n_embd);
    if (n_expert > 0) add("ffn_gate_inp", n_embd, n_expert);
    add(`ffn_gate${suffix}`, n_embd, n_ff, ...experts);
    add(`ffn_up${suffix}`, n_embd, n_ff, ...experts);
    add(`ffn_down${suffix}`, n_ff, n_embd, ...experts);
  }
  return tensors;
}

function factsOf({ n_layer, n_head, n_head_kv, n_expert }: Config): ModelFacts {
  return {
    architecture: "llama",
    layers: n_layer,
    heads: n_head,
    keyHeads: n_head_kv,
    experts: n_expert,
  };
}

describe("mixtures", () => {
  let decisions = 0;
  let changed = 0;
  for (const [name, config] of Object.entries(mixture.configs)) {
    it(`${name}: every type is llama-quantize's`, () => {
      for (const [preset, rows] of Object.entries(config.ftypes)) {
        const fileType = preset.toLowerCase() as GgufFileType;
        expect(FILE_TYPES[fileType].fileType).toBe(rows["general.file_type"]);
        const types = chooseTypes(tensorsOf(config), factsOf(config), fileType);
        for (const [tensor, letters] of Object.entries(rows)) {
          if (typeof letters === "number") continue;
          const isGlobal = !/^(attn|ffn)/.test(tensor);
          for (const [layer, letter] of [...letters].entries()) {
            const full = isGlobal ? tensor : `blk.${layer}.${tensor}`;
            const old = typeOfLetter.get(letter) as string;
            // The tables are of 2025; since then rows that Q2_K and Q3_K do not divide become Q4_0.
            const isChanged = affected.has([name, preset, tensor].join()) && old === "IQ4_NL";
            const expected = isChanged ? "Q4_0" : old;
            if (isChanged) changed++;
            expect(types.get(full)?.type ?? "F32", `${preset} ${full}`).toBe(expected);
            decisions++;
          }
        }
      }
    });
  }

  it("were compared one by one", () => {
    expect(decisions).toBe(19_164);
    expect(changed).toBeGreaterThan(100);
  });

  it("mxfp4_moe: experts alone are MXFP4", () => {
    const config = mixture.configs.moe4_L4 as Config;
    const types = chooseTypes(tensorsOf(config), factsOf(config), "mxfp4_moe");
    const typeOf = (name: string) => types.get(name)?.type;
    expect(typeOf("output.weight")).toBe("Q8_0");
    expect(typeOf("token_embd.weight")).toBe("Q8_0");
    expect(typeOf("blk.0.attn_v.weight")).toBe("Q8_0");
    expect(typeOf("blk.0.ffn_up_exps.weight")).toBe("MXFP4");
    expect(typeOf("blk.0.ffn_gate_inp.weight")).toBeUndefined();
  });

  it("pure files have one type, but for rows that it does not divide", () => {
    const config = mixture.configs.ffn288_L4 as Config;
    const types = chooseTypes(tensorsOf(config), factsOf(config), "q4_k_m", { pure: true });
    expect(types.get("output.weight")?.type).toBe("Q4_K");
    expect(types.get("blk.3.attn_v.weight")?.type).toBe("Q4_K");
    expect(types.get("blk.3.ffn_down.weight")).toEqual({ type: "Q5_0", wanted: "Q4_K" });
    expect(types.get("output_norm.weight")?.type).toBeUndefined();
  });

  it("a llama of 80 layers with grouped heads has better values; with as many key heads it has not", () => {
    const config = mixture.configs.dense_L80_gqa4 as Config;
    const facts = factsOf(config);
    const value = (model: ModelFacts) =>
      chooseTypes(tensorsOf(config), model, "q4_k_m").get("blk.11.attn_v.weight")?.type;
    expect(value(facts)).toBe("Q5_K");
    expect(value({ ...facts, keyHeads: facts.heads })).toBe("Q4_K");
    expect(value({ ...facts, layers: 79 })).toBe("Q4_K");
    expect(value({ ...facts, architecture: "qwen2", keyHeads: facts.heads })).toBe("Q5_K");
  });
});
