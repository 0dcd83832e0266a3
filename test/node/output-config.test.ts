/** The config.json of a quantized checkpoint. */

import { describe, expect, it } from "vitest";
import { weights } from "../checkpoint/safetensors-files.ts";
import { converted } from "./converted.ts";
import { llamaConfig, llamaTensors } from "./models.ts";

describe("config.json", () => {
  const tensors = llamaTensors({ layers: 1 });

  it("keeps the spelling of every number that it does not touch", async () => {
    const odd = [
      '"rms_norm_eps": 1e-05',
      '"rope_theta": 10000.0',
      '"big": 12345678901234567890',
      '"tiny": 1E-400',
      '"precise": 0.1000000000000000055511151231257827',
      '"negative_zero": -0.0',
      '"exponent": 1.5e+300',
    ];
    const config = `{${odd.join(", ")}, "model_type": "llama", "architectures": ["LlamaForCausalLM"], "name": "caf\\u00e9 \u00fc", "nested": {"b": [1.0, {"c": 2.50}], "a": null}}`;
    const { configText } = await converted(tensors, { config });
    for (const member of odd) expect(configText).toContain(member);
    expect(configText).toContain('"caf\\u00e9 \\u00fc"');
    expect(configText).toContain("1.0,");
    expect(configText).toContain('"c": 2.50');
    expect(configText.indexOf('"a": null')).toBeLessThan(configText.indexOf('"b": ['));
    expect(configText.endsWith("}\n")).toBe(true);
    const keys = Object.keys(JSON.parse(configText));
    expect(keys).toEqual([...keys].sort());
  });

  it("says all that BitsAndBytesConfig says, with 6.0 as a float", async () => {
    const { config, configText } = await converted(tensors);
    expect(config.quantization_config).toEqual({
      _load_in_4bit: true,
      _load_in_8bit: false,
      bnb_4bit_compute_dtype: "bfloat16",
      bnb_4bit_quant_storage: "uint8",
      bnb_4bit_quant_type: "nf4",
      bnb_4bit_use_double_quant: true,
      llm_int8_enable_fp32_cpu_offload: false,
      llm_int8_has_fp16_weight: false,
      llm_int8_skip_modules: null,
      llm_int8_threshold: 6,
      load_in_4bit: true,
      load_in_8bit: false,
      quant_method: "bitsandbytes",
    });
    expect(configText).toContain('"llm_int8_threshold": 6.0,');
  });

  it("leaves the 4-bit fields of LLM.int8 at their defaults", async () => {
    const options = { quantType: "llm-int8", computeDtype: "float16" } as const;
    const { config } = await converted(tensors, options);
    expect(config.quantization_config).toMatchObject({
      bnb_4bit_compute_dtype: "float32",
      bnb_4bit_quant_storage: "uint8",
      bnb_4bit_quant_type: "fp4",
      bnb_4bit_use_double_quant: false,
      load_in_8bit: true,
    });
  });

  it.each([
    ["the checkpoint's torch_dtype", { torch_dtype: "float16" }, {}, "float16"],
    ["the checkpoint's dtype", { torch_dtype: undefined, dtype: "float32" }, {}, "float32"],
    ["the weights' dtype", { torch_dtype: undefined }, {}, "bfloat16"],
    ["what was asked for", {}, { computeDtype: "float32" }, "float32"],
  ] as const)("takes the compute dtype from %s", async (_, more, options, expected) => {
    const { config } = await converted(tensors, { ...options, config: llamaConfig(more) });
    expect(config.quantization_config.bnb_4bit_compute_dtype).toBe(expected);
  });

  it("is incomplete, with a warning, when the input has none", async () => {
    const { config, result } = await converted(tensors, { config: null });
    expect(Object.keys(config)).toEqual(["quantization_config"]);
    expect(result.warnings.join("\n")).toMatch(/no config\.json.*incomplete/s);
    expect(config.quantization_config.llm_int8_skip_modules).toContain("lm_head");
  });

  it("lists what stayed in float for an unknown model type", async () => {
    const unknown = llamaConfig({ model_type: "brand-new", architectures: ["BrandNew"] });
    const mixed = [
      weights("blocks.0.q_proj.weight", [64, 64]),
      weights("blocks.0.mixer.weight", [64, 64]),
      weights("embed.weight", [32, 64]),
      weights("lm_head.weight", [32, 64]),
    ];
    const { config } = await converted(mixed, { config: unknown });
    const list = config.quantization_config.llm_int8_skip_modules;
    expect(list).toEqual(expect.arrayContaining(["blocks.0.mixer", "lm_head"]));
    expect(list).not.toContain("blocks.0.q_proj");
  });

  it("lists what an exclusion left in float", async () => {
    const { config } = await converted(tensors, { exclude: ["**.up_proj.weight"] });
    const list = config.quantization_config.llm_int8_skip_modules;
    expect(list).toEqual(expect.arrayContaining(["lm_head", "model.layers.0.mlp.up_proj"]));
  });

  it("warns of several quant types, and names the main one", async () => {
    const rules = [{ pattern: "**.q_proj.weight", action: "fp4" as const }];
    const { config, result } = await converted(tensors, { rules });
    expect(config.quantization_config.bnb_4bit_quant_type).toBe("nf4");
    expect(result.warnings.join("\n")).toMatch(/several quant types/);
  });

  it("keeps tied embeddings tied: no lm_head appears", async () => {
    const tied = llamaTensors({ layers: 1, tied: true });
    const { model, config } = await converted(tied, {
      config: llamaConfig({ tie_word_embeddings: true }),
    });
    expect(model?.tensors.some(({ name }) => name.startsWith("lm_head"))).toBe(false);
    expect(config.tie_word_embeddings).toBe(true);
    expect(model?.get("model.embed_tokens.weight").dtype).toBe("BF16");
  });
});
