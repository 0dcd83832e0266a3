/** What `verify` lets through, and what it finds. */

import { execFileSync } from "node:child_process";
import { openAsBlob, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { QuantizeSafetensorsStream } from "../../src/checkpoint/index.ts";
import { quantizeModel } from "../../src/node/quantize-model.ts";
import type { QuantizeModelOptions } from "../../src/node/quantize-options.ts";
import { type VerifyModelOptions, verifyModel } from "../../src/node/verify-model.ts";
import {
  fileInOrder,
  opaque,
  readFile,
  type TestTensor,
  weights,
} from "../checkpoint/safetensors-files.ts";
import { errorOf } from "../checkpoint/streams.ts";
import { goldenFolder, quantwise, temporaryFolder } from "../cli/quantwise.ts";
import { llamaConfig, llamaTensors, writeModel } from "./models.ts";

const tensors = llamaTensors({ layers: 2, hidden: 128 });
const model = writeModel(join(temporaryFolder(), "model"), tensors, llamaConfig());

async function output(options: QuantizeModelOptions = {}, from = model): Promise<string> {
  const out = join(temporaryFolder(), "out");
  await quantizeModel(from, out, options);
  return out;
}

async function problemsOf(path: string, options: VerifyModelOptions = {}): Promise<string> {
  const { ok, problems } = await verifyModel(path, options);
  expect(ok).toBe(problems.length === 0);
  return problems
    .map(({ file, tensor, problem }) => `${file ?? ""} ${tensor ?? ""}: ${problem}`)
    .join("\n");
}

describe("an output that is whole", () => {
  it.each([
    {},
    { mode: "cuda" },
    { quantType: "fp4", doubleQuant: false, blockSize: 128 },
    { quantType: "nf4", quantStorage: "bfloat16" },
    { quantType: "llm-int8" },
    { quantType: "int4", format: "compressed-tensors" },
    { quantType: "int8", format: "compressed-tensors", symmetric: false },
    { quantType: "int4" },
    { quantType: "uint8", granularity: "channel" },
    { quantType: "int8", granularity: "tensor", symmetric: true },
    { quantType: "nvfp4" },
    { quantType: "mxfp4" },
    { quantType: "mxfp8-e5m2" },
    { quantType: "fp8-e4m3" },
    { quantType: "dynamic8" },
    { quantType: "af4", format: "native", mode: "cuda" },
    { maxShardSize: 60_000, rules: [{ pattern: "**.mlp.**", action: "int8" }] },
  ] as QuantizeModelOptions[])("is found to be what its original gives: %o", async (options) => {
    const out = await output({ ...options, sha256sums: true });
    const found = await verifyModel(out, { against: model });
    expect(found).toMatchObject({
      ok: true,
      problems: [],
      compared: tensors.length,
      quantized: 14,
    });
    expect(found.checksums).toBeGreaterThan(1);
  });

  it("may have been written as a stream", async () => {
    const path = join(model, "model.safetensors");
    const stream = (await openAsBlob(path)).stream() as ReadableStream<Uint8Array>;
    const quantized = stream.pipeThrough(new QuantizeSafetensorsStream({ quantType: "nf4" }));
    const out = join(temporaryFolder(), "out.safetensors");
    writeFileSync(out, Buffer.from(await new Response(quantized).arrayBuffer()));
    expect(await problemsOf(out, { against: path })).toBe("");
  });

  it("may be of GPT-2, whose weights are transposed", async () => {
    const gpt2 = [
      weights("h.0.attn.c_attn.weight", [64, 192], "F32"),
      weights("h.0.mlp.c_proj.weight", [256, 64], "F32"),
      weights("wte.weight", [8, 64], "F32"),
    ];
    const from = writeModel(join(temporaryFolder(), "m"), gpt2, '{"model_type":"gpt2"}');
    const out = await output({}, from);
    expect(await problemsOf(out, { against: from })).toBe("");
  });

  it.each(["nf4", "nf4_dq", "fp4", "int8"])("may be bitsandbytes' own: %s", async (name) => {
    const against = goldenFolder("llama_tiny_bf16");
    expect(await problemsOf(goldenFolder(`llama_tiny_${name}`), { against })).toBe("");
  });
});

/** Changes tensors of an output's only file. */
function change(out: string, edit: (tensor: TestTensor) => TestTensor | undefined): void {
  const path = join(out, "model.safetensors");
  const { tensors: read, metadata } = readFile(readFileSync(path));
  const edited = read.map(edit).filter((tensor) => tensor !== undefined);
  writeFileSync(path, fileInOrder(edited, metadata));
}

function withBytes(tensor: TestTensor, at: number, ...bytes: number[]): TestTensor {
  const copy = tensor.bytes.slice();
  copy.set(bytes, at);
  return { ...tensor, bytes: copy };
}

const UP = "model.layers.1.mlp.up_proj.weight";
const only =
  (name: string, edit: (tensor: TestTensor) => TestTensor | undefined) => (out: string) =>
    change(out, (tensor) => (tensor.name === name ? edit(tensor) : tensor));

describe("what is wrong with an output", () => {
  it.each([
    [
      "a code",
      {},
      only(UP, (t) => withBytes(t, 77, (t.bytes[77] as number) ^ 1)),
      /up_proj.weight: "\S+up_proj.weight" differs from what the original gives, at byte 77$/,
    ],
    [
      "a copied tensor",
      {},
      only("model.norm.weight", (t) => withBytes(t, 5, 1)),
      /model.norm.weight: .* at byte 5$/,
    ],
    [
      "a scale",
      {},
      only(`${UP}.nested_absmax`, (t) => withBytes(t, 0, 0, 0, 0xc0, 0x7f)),
      /up_proj.weight: nested.absmax\[0\] is NaN; expected a finite number/,
    ],
    [
      "a scale that is not coded",
      { doubleQuant: false },
      only(`${UP}.absmax`, (t) => withBytes(t, 8, 0, 0, 0x80, 0x7f)),
      /up_proj.weight: absmax\[2\] is Infinity/,
    ],
    [
      "a code table",
      {},
      only(`${UP}.quant_map`, (t) => withBytes(t, 0, 1)),
      /its quant_map is not the table of nf4/,
    ],
    [
      "a quant state",
      {},
      only(`${UP}.quant_state.bitsandbytes__nf4`, (t) => withBytes(t, 0, 0)),
      /JSON text/,
    ],
    [
      "a missing part",
      {},
      only(`${UP}.absmax`, () => undefined),
      /its part "\S+absmax" is missing/,
    ],
    [
      "a missing state",
      {},
      only(`${UP}.quant_state.bitsandbytes__nf4`, () => undefined),
      /up_proj.weight.absmax: it belongs to a quantized weight that is not there/,
    ],
    [
      "a missing tensor",
      {},
      only("model.norm.weight", () => undefined),
      /model.norm.weight: the original has it, and it is missing/,
    ],
    [
      "another tensor",
      {},
      only("model.norm.weight", (t) => ({ ...t, name: "model.more" })),
      /model.more: the original has no tensor/,
    ],
    [
      "an LLM.int8 code",
      { quantType: "llm-int8" },
      only(UP, (t) => withBytes(t, 9, 0x80)),
      /element 9 has code -128/,
    ],
    [
      "an FP8 code",
      { quantType: "fp8-e4m3" },
      only(UP, (t) => withBytes(t, 9, 0x7f)),
      /element 9 decodes to NaN/,
    ],
    [
      "a truncated file",
      {},
      (out: string) =>
        writeFileSync(
          join(out, "model.safetensors"),
          readFileSync(join(out, "model.safetensors")).subarray(0, -9),
        ),
      /model.safetensors/,
    ],
  ] as [string, QuantizeModelOptions, (out: string) => void, RegExp][])(
    "is found: %s",
    async (_, options, spoil, text) => {
      const out = await output({ ...options, sha256sums: true });
      spoil(out);
      const found = await problemsOf(out, { against: model });
      expect(found).toMatch(/^model.safetensors : its SHA-256 is not the one in SHA256SUMS$/m);
      expect(found).toMatch(new RegExp(text.source, "m"));
    },
  );

  it("is found: files and index", async () => {
    const out = await output({ maxShardSize: 60_000, sha256sums: true });
    const path = join(out, "model.safetensors.index.json");
    const index = JSON.parse(readFileSync(path).toString());
    writeFileSync(join(out, "model-old.safetensors"), "");
    writeFileSync(path, JSON.stringify({ ...index, metadata: { total_size: 5 } }));
    rmSync(join(out, "config.json"));
    const found = await problemsOf(out);
    expect(found).toMatch(/model-old.safetensors : model.safetensors.index.json does not list it/);
    expect(found).toMatch(/index.json : its total_size is 5, and the tensors have \d+/);
    expect(found).toMatch(/config.json : SHA256SUMS lists it, and it is missing/);
    const [tensor] = Object.keys(index.weight_map);
    delete index.weight_map[tensor as string];
    writeFileSync(path, JSON.stringify(index));
    expect(await problemsOf(out)).toMatch(/does not list it/);
  });

  it("is found: alignment", async () => {
    const out = await output({ quantType: "llm-int8" });
    const path = join(out, "model.safetensors");
    const { tensors: read, metadata } = readFile(readFileSync(path));
    writeFileSync(path, fileInOrder([opaque("odd", "U8", [1]), ...read], metadata));
    expect(await problemsOf(out)).toMatch(/: it begins at byte \d+, which is no multiple of 4/);
  });

  it("is not blamed on the original's faults", async () => {
    const out = await output();
    const error = await errorOf(verifyModel(out, { against: out }));
    expect(error).toMatchObject({ code: "ARGUMENT", argument: "against" });
    const broken = join(temporaryFolder(), "broken.safetensors");
    writeFileSync(broken, "no header");
    expect(await errorOf(verifyModel(out, { against: broken }))).toMatchObject({ code: "FORMAT" });
    const other = await output();
    expect(await errorOf(verifyModel(out, { against: other }))).toMatchObject({ code: "PLAN" });
    expect(await errorOf(verifyModel(join(out, "none")))).toMatchObject({ code: "STORAGE" });
  });
});

describe("SHA256SUMS", () => {
  it("are what sha256sum checks, and never those of the original", async () => {
    const from = writeModel(join(temporaryFolder(), "m"), tensors, llamaConfig());
    writeFileSync(join(from, "SHA256SUMS"), "old");
    writeFileSync(join(from, "a\\b.txt"), "x");
    const out = await output({ sha256sums: true }, from);
    const checked = execFileSync("sha256sum", ["-c", "SHA256SUMS"], { cwd: out }).toString();
    expect(checked.match(/OK$/gm)).toHaveLength(3);
    expect(await problemsOf(out)).toBe("");
    const plain = await output({}, from);
    expect((await verifyModel(plain)).checksums).toBe(0);
    writeFileSync(join(plain, "SHA256SUMS"), `${"0".repeat(64)}  ../m/config.json\n`);
    expect(await problemsOf(plain)).toMatch(/line 1 names a file outside the directory/);
    writeFileSync(join(plain, "SHA256SUMS"), "x\n");
    expect(await problemsOf(plain)).toMatch(/line 1 is no SHA-256/);
  });

  it("need a directory", async () => {
    const file = join(temporaryFolder(), "out.safetensors");
    const error = await errorOf(quantizeModel(model, file, { sha256sums: true }));
    expect(error).toMatchObject({ code: "ARGUMENT", argument: "sha256sums" });
  });
});

describe("quantwise verify", () => {
  it("exits with 0 and says so, or with 1 and says why", async () => {
    const out = await output();
    const good = await quantwise(["verify", out, "--against", model]);
    expect(good).toMatchObject({ code: 0, stderr: "" });
    expect(good.stdout.toString()).toBe(
      `${out}: all is well (21 tensors, 14 quantized; 21 tensors compared with the original)\n`,
    );
    expect((await quantwise(["verify", out, "--quiet"])).stdout.toString()).toBe("");
    only(UP, (tensor) => withBytes(tensor, 3, (tensor.bytes[3] as number) ^ 2))(out);
    const bad = await quantwise(["verify", out, "--against", model, "--json"]);
    expect(bad.code).toBe(1);
    expect(JSON.parse(bad.stdout.toString())).toMatchObject({
      ok: false,
      problems: [{ tensor: UP, problem: expect.stringMatching(/at byte 3$/) }],
    });
    const told = await quantwise(["verify", out, "--against", model, "--quiet"]);
    expect(told.code).toBe(1);
    expect(told.stdout.toString()).toMatch(
      /^tensor "model.layers.1.mlp.up_proj.weight": .*\n.*: 1 problem \(/,
    );
  });
});
