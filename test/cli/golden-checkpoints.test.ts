import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readFile } from "../checkpoint/safetensors-files.ts";
import { sameBytes } from "../kernels/calls.ts";
import { filesBelow, goldenFolder, quantize, temporaryFolder } from "./quantwise.ts";

const source = goldenFolder("llama_tiny_bf16");
const sourceFile = join(source, "model.safetensors");

const CHECKPOINTS: readonly (readonly [name: string, flags: readonly string[]])[] = [
  ["llama_tiny_nf4_dq", []],
  ["llama_tiny_nf4", ["--no-double-quant"]],
  ["llama_tiny_fp4", ["--quant-type=fp4", "--no-double-quant", "--compute-dtype=float32"]],
  ["llama_tiny_int8", ["--quant-type=llm-int8"]],
];

const KERNELS = ["auto", "reference"];

function sameFiles(actual: string, expected: string): void {
  const files = filesBelow(actual);
  const golden = filesBelow(expected);
  expect([...files.keys()]).toEqual([...golden.keys()]);
  for (const [name, bytes] of golden) {
    const text = name.endsWith(".json") ? files.get(name)?.toString() : undefined;
    if (text !== undefined) expect(text).toBe(bytes.toString());
    sameBytes(files.get(name) as Buffer, bytes, name);
  }
}

describe.each(CHECKPOINTS)("%s", (name, flags) => {
  const golden = goldenFolder(name);
  const goldenFile = readFileSync(join(golden, "model.safetensors"));

  it.each(KERNELS)("is written byte for byte, config.json included (--kernels %s)", async (k) => {
    const out = join(temporaryFolder(), "out");
    await quantize([source, "-o", out, "--kernels", k, ...flags]);
    sameFiles(out, golden);
  });

  it("is written byte for byte from a file to a file", async () => {
    const out = join(temporaryFolder(), "out.safetensors");
    await quantize([sourceFile, "-o", out, ...flags]);
    sameBytes(readFileSync(out), goldenFile, "file");
  });

  it("is written by its rules from a bare stream, which has no config", async () => {
    const folder = temporaryFolder();
    const stdin = readFileSync(sourceFile);
    await quantize(["-", "-o", join(folder, "out.safetensors"), ...flags], { stdin });
    sameBytes(readFileSync(join(folder, "out.safetensors")), goldenFile, "file");
    await quantize(["-", "-o", join(folder, "out"), ...flags], { stdin });
    sameBytes(readFileSync(join(folder, "out/model.safetensors")), goldenFile, "directory");
  });

  it("flows to standard output with the same tensors", async () => {
    const { stdout, stderr } = await quantize([source, "-o", "-", "--json", ...flags]);
    expect(JSON.parse(stderr)).toMatchObject({ output: "-", bytesAfter: stdout.byteLength });
    const written = readFile(stdout);
    const expected = readFile(goldenFile);
    expect(written.metadata).toEqual({ format: "pt" });
    expect(written.tensors.map((tensor) => tensor.name).sort()).toEqual(
      expected.tensors.map((tensor) => tensor.name).sort(),
    );
    for (const { name: tensor, dtype, shape, bytes } of expected.tensors) {
      const actual = written.get(tensor);
      expect(actual.dtype).toBe(dtype);
      if (tensor.includes(".quant_state.")) {
        // Forward-only, the text is padded with spaces.
        expect(Buffer.from(actual.bytes).toString().trimEnd()).toBe(Buffer.from(bytes).toString());
        continue;
      }
      expect(actual.shape).toEqual(shape);
      sameBytes(actual.bytes, bytes, tensor);
    }
  });
});

describe("llama_tiny_nf4_dq_cpu_native (informational)", () => {
  it("differs from ours in nested statistics only", () => {
    const names = (folder: string) =>
      readFile(readFileSync(join(goldenFolder(folder), "model.safetensors"))).tensors;
    const native = new Map(names("llama_tiny_nf4_dq_cpu_native").map((t) => [t.name, t.bytes]));
    for (const { name, bytes } of names("llama_tiny_nf4_dq")) {
      const isNested = /\.(absmax|nested_absmax|quant_state\.\w+)$/.test(name);
      if (!isNested) sameBytes(native.get(name) as Uint8Array, bytes, name);
    }
  });
});
