/** Checkpoints of transformers as GGUF files. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  type GgufHeader,
  GgufHeaderParser,
  GgufMetadata,
  ggufEntry,
  ggufHeaderBytes,
  ggufValue,
  layoutGguf,
} from "../../src/formats/gguf/index.ts";
import { openSafetensors, readTensor } from "../../src/formats/safetensors/index.ts";
import { bytesSource } from "../../src/foundation/byte-source.ts";
import { bf16ToF32 } from "../../src/foundation/half.ts";
import { quantizeGguf } from "../../src/node/index.ts";
import { folderWith, goldenFolder, namesIn, temporaryFolder } from "../cli/quantwise.ts";

const checkpoint = goldenFolder("llama_tiny_bf16");
const VOCABULARY = 96;

/** A byte-level BPE of 90 tokens, and two that were added. */
const tokenizer = {
  added_tokens: [
    { id: 90, content: "<s>", special: true },
    { id: 91, content: "<tool>", special: false },
  ],
  pre_tokenizer: { type: "ByteLevel", add_prefix_space: false },
  decoder: { type: "ByteLevel" },
  model: {
    type: "BPE",
    vocab: Object.fromEntries(Array.from({ length: 90 }, (_, i) => [`t${i}`, i])),
    merges: ["a b", ["c d", "e"]],
  },
};

function model(files: Readonly<Record<string, unknown>> = {}): string {
  const texts = { "tokenizer.json": tokenizer, "tokenizer_config.json": { bos_token: "<s>" } };
  const all = Object.entries({ ...texts, ...files }).map(([name, json]) => [
    name,
    JSON.stringify(json),
  ]);
  return folderWith({
    "config.json": readFileSync(join(checkpoint, "config.json")),
    "model.safetensors": readFileSync(join(checkpoint, "model.safetensors")),
    ...Object.fromEntries(all),
  });
}

function config(changes: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return { ...JSON.parse(readFileSync(join(checkpoint, "config.json"), "utf8")), ...changes };
}

async function converted(
  input: string,
  options: Partial<Parameters<typeof quantizeGguf>[2]> = {},
): Promise<{ readonly header: GgufHeader; readonly bytes: Buffer }> {
  const out = join(temporaryFolder(), "out.gguf");
  await quantizeGguf(input, out, { fileType: "bf16", tokenizerPre: "smollm", ...options });
  const bytes = readFileSync(out);
  const parser = new GgufHeaderParser({ fileByteLength: bytes.byteLength });
  parser.push(bytes);
  return { header: parser.finish(), bytes };
}

function dataOf({ header, bytes }: Awaited<ReturnType<typeof converted>>, name: string): Buffer {
  const tensor = header.tensors.find((each) => each.name === name);
  if (tensor === undefined) throw new Error(`no ${name}`);
  const start = header.dataStart + tensor.offset;
  return bytes.subarray(start, start + tensor.byteLength);
}

async function original(name: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(readFileSync(join(checkpoint, "model.safetensors")));
  const file = await openSafetensors(bytesSource(bytes));
  const entry = [...file.table].find((each) => each.name === name);
  if (entry === undefined) throw new Error(`no ${name}`);
  return readTensor(file, entry);
}

describe("a llama", () => {
  it("has llama.cpp's names, dimensions and types", async () => {
    const { header } = await converted(model());
    const found = header.tensors.map(({ name, type, dimensions }) => [name, type.name, dimensions]);
    expect(found.slice(0, 7)).toEqual([
      ["output.weight", "BF16", [64, 96]],
      ["output_norm.weight", "F32", [64]],
      ["token_embd.weight", "BF16", [64, 96]],
      ["blk.0.attn_k.weight", "BF16", [64, 64]],
      ["blk.0.attn_norm.weight", "F32", [64]],
      ["blk.0.attn_output.weight", "BF16", [64, 64]],
      ["blk.0.attn_q.weight", "BF16", [64, 64]],
    ]);
    expect(found).toHaveLength(21);
  });

  it("has the rows of q and k in pairs, and all else as it was", async () => {
    const file = await converted(model());
    for (const [name, from] of [
      ["attn_q", "self_attn.q_proj"],
      ["attn_k", "self_attn.k_proj"],
    ]) {
      const before = await original(`model.layers.1.${from}.weight`);
      const after = dataOf(file, `blk.1.${name}.weight`);
      const rowBytes = 64 * 2;
      const [heads, dimension] = [4, 16];
      for (let h = 0; h < heads; h++) {
        for (let j = 0; j < dimension / 2; j++) {
          for (const s of [0, 1]) {
            const to = (h * dimension + 2 * j + s) * rowBytes;
            const at = (h * dimension + s * (dimension / 2) + j) * rowBytes;
            const row = after.subarray(to, to + rowBytes);
            expect(row.equals(before.subarray(at, at + rowBytes))).toBe(true);
          }
        }
      }
    }
    const down = await original("model.layers.0.mlp.down_proj.weight");
    expect(dataOf(file, "blk.0.ffn_down.weight").equals(down)).toBe(true);
    const norm = new Uint16Array((await original("model.norm.weight")).slice().buffer);
    const floats = dataOf(file, "output_norm.weight");
    expect(Array.from(norm, bf16ToF32)).toEqual(
      Array.from({ length: 64 }, (_, i) => floats.readFloatLE(4 * i)),
    );
  });

  it("has the keys that llama.cpp needs, and a tokenizer as long as the embeddings", async () => {
    const { header } = await converted(model());
    const { metadata } = header;
    const values = Object.fromEntries([...metadata].map((entry) => [entry.key, ggufValue(entry)]));
    expect(values).toMatchObject({
      "general.architecture": "llama",
      "llama.block_count": 2,
      "llama.context_length": 128,
      "llama.embedding_length": 64,
      "llama.feed_forward_length": 128,
      "llama.attention.head_count": 4,
      "llama.attention.head_count_kv": 4,
      "llama.attention.key_length": 16,
      "llama.rope.freq_base": 10_000,
      "llama.rope.dimension_count": 16,
      "llama.vocab_size": 96,
      "llama.attention.layer_norm_rms_epsilon": Math.fround(1e-5),
      "tokenizer.ggml.model": "gpt2",
      "tokenizer.ggml.pre": "smollm",
      "tokenizer.ggml.merges": ["a b", "cĠd e"],
      "tokenizer.ggml.bos_token_id": 90,
      "general.file_type": 32,
    });
    const tokens = values["tokenizer.ggml.tokens"] as string[];
    expect(tokens).toHaveLength(VOCABULARY);
    expect(tokens.slice(88)).toEqual([
      ...["t88", "t89", "<s>", "<tool>", "[PAD92]", "[PAD93]", "[PAD94]", "[PAD95]"],
    ]);
    expect((values["tokenizer.ggml.token_type"] as number[]).slice(89)).toEqual([
      1, 3, 4, 5, 5, 5, 5,
    ]);
  });

  it("is quantized on the way to the bytes that two steps give", async () => {
    const folder = temporaryFolder();
    const [floats, twice] = [join(folder, "floats.gguf"), join(folder, "twice.gguf")];
    const options = { tokenizerPre: "smollm" };
    await quantizeGguf(model(), floats, { fileType: "bf16", ...options });
    await quantizeGguf(floats, twice, { fileType: "q8_0" });
    const once = await converted(model(), { fileType: "q8_0" });
    const expected = readFileSync(twice);
    expect(once.bytes.byteLength).toBe(expected.byteLength);
    // The names of the folders differ, nothing else.
    const { dataStart } = once.header;
    expect(once.bytes.subarray(dataStart).equals(expected.subarray(dataStart))).toBe(true);
  });

  it("that bitsandbytes quantized is expanded on the way", async () => {
    const nf4 = goldenFolder("llama_tiny_nf4");
    const input = folderWith({
      "config.json": readFileSync(join(nf4, "config.json")),
      "model.safetensors": readFileSync(join(nf4, "model.safetensors")),
      "tokenizer.json": JSON.stringify(tokenizer),
    });
    const { header } = await converted(input, { fileType: "q8_0" });
    expect(header.tensors).toHaveLength(21);
    const types = new Set(header.tensors.map(({ type }) => type.name));
    expect(types).toEqual(new Set(["Q8_0", "F32"]));
  });

  it("of 3.1 has its rotary factors", async () => {
    const rope_scaling = {
      ...{ rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4 },
      original_max_position_embeddings: 64,
    };
    const file = await converted(model({ "config.json": config({ rope_scaling }) }));
    const factors = dataOf(file, "rope_freqs.weight");
    const values = Array.from({ length: 8 }, (_, i) => factors.readFloatLE(4 * i));
    // Wavelengths 2π · 10000^(i/8): below 16 untouched, above 64 divided by 8.
    expect(values[0]).toBe(1);
    expect(values.slice(4)).toEqual([8, 8, 8, 8]);
    expect(values[1]).toBeGreaterThan(1);
    expect(values[1]).toBeLessThan(8);
  });

  it("takes its keys from another file of the same model", async () => {
    const other = (entries: Parameters<typeof ggufEntry>[]) =>
      folderWith({
        "o.gguf": ggufHeaderBytes(
          layoutGguf(new GgufMetadata(entries.map((entry) => ggufEntry(...entry))), []),
        ),
      });
    const keys: Parameters<typeof ggufEntry>[] = [
      ["general.architecture", "string", "llama"],
      ["llama.block_count", "uint32", 2],
      ["custom", "string", "kept"],
      ["split.no", "uint16", 0],
    ];
    const metadataFrom = join(other(keys), "o.gguf");
    const { header } = await converted(checkpoint, { metadataFrom });
    expect([...header.metadata].map(({ key }) => key)).toEqual([
      ...["general.architecture", "llama.block_count", "custom"],
      ...["general.quantization_version", "general.file_type"],
    ]);
    const wrong = join(other([keys[0] as never, ["llama.block_count", "uint32", 3]]), "o.gguf");
    await expect(converted(checkpoint, { metadataFrom: wrong })).rejects.toThrow(
      /metadata is that of "llama" with 3 layers, the model is "llama" with 2/,
    );
    const tokens: Parameters<typeof ggufEntry> = ["tokenizer.ggml.tokens", "string", ["a"]];
    const few = join(other([...keys, tokens]), "o.gguf");
    await expect(converted(checkpoint, { metadataFrom: few })).rejects.toThrow(
      /the metadata has 1 tokens, the model's embeddings 96 rows/,
    );
  });
});

describe("what is not certain is an error with its remedy", () => {
  it.each([
    [
      "an unknown family",
      { "config.json": config({ architectures: ["OddForCausalLM"] }) },
      /it is a OddForCausalLM; only LlamaForCausalLM, .*convert_hf_to_gguf/,
    ],
    [
      "no tokenizer",
      { "tokenizer.json": { model: { type: "Unigram" } } },
      /no tokenizer\.json with byte-level BPE; .*--metadata-from/,
    ],
    [
      "a token out of range",
      { "tokenizer.json": { ...tokenizer, added_tokens: [{ id: 96, content: "x" }] } },
      /token "x" has the id 96, expected 0 to 95/,
    ],
    [
      "a rope that is not known",
      { "config.json": config({ rope_scaling: { type: "odd", factor: 2 } }) },
      /rope scaling "odd" is not known; .*--metadata-from/,
    ],
    [
      "gemma without keys",
      { "config.json": config({ architectures: ["Gemma2ForCausalLM"] }) },
      /vocabulary of gemma2 is SentencePiece's; .*--metadata-from/,
    ],
    [
      "a missing number",
      { "config.json": config({ rms_norm_eps: null }) },
      /no number "rms_norm_eps", which GGUF needs/,
    ],
  ] as const)("%s", async (_, files, message) => {
    await expect(converted(model(files))).rejects.toThrow(message);
  });

  it("how an unknown tokenizer splits text", async () => {
    const folder = temporaryFolder();
    const job = quantizeGguf(model(), join(folder, "x.gguf"), { fileType: "q8_0" });
    await expect(job).rejects.toThrow(
      /how this tokenizer splits text is not known; .*--tokenizer-pre/,
    );
    expect(namesIn(folder)).toEqual([]);
  });
});
