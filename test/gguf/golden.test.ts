import { describe, expect, it } from "vitest";
import { GgufHeaderParser, openGguf } from "../../src/formats/gguf/index.ts";
import { bytesSource } from "../../src/foundation/byte-source.ts";
import { runGguf } from "../../src/gguf/convert.ts";
import type { GgufFileType } from "../../src/gguf/file-types.ts";
import { modelTensors, rangeReader } from "../../src/gguf/job.ts";
import { type GgufPlanOptions, planDequantized, planGguf } from "../../src/gguf/plan.ts";
import { QuantizeGgufStream } from "../../src/gguf/quantize-stream.ts";
import { goldenFile } from "../formats/gguf/vectors.ts";

async function opened(bytes: Uint8Array) {
  const file = await openGguf(bytesSource(bytes, "tiny.gguf"));
  return { file, metadata: file.header.metadata, tensors: modelTensors([file.header]) };
}

async function quantized(bytes: Uint8Array, options: GgufPlanOptions): Promise<Buffer> {
  const { file, metadata, tensors } = await opened(bytes);
  const parts: Uint8Array[] = [];
  await runGguf(planGguf(metadata, tensors, options), rangeReader([file]), async (part) => {
    parts.push(part.slice());
  });
  return Buffer.concat(parts);
}

describe("llama-quantize's files", () => {
  const source = goldenFile("tiny-f16");
  for (const name of ["Q4_0", "Q8_0", "Q4_K_M"]) {
    it(`tiny-${name} comes out byte for byte`, async () => {
      const fileType = name.toLowerCase() as GgufFileType;
      const found = await quantized(source, { fileType });
      expect(found.equals(goldenFile(`tiny-${name}`))).toBe(true);
    });
  }

  it("come out of a stream with the same tensors, in the order of the source", async () => {
    const found = await throughStream(source, { fileType: "q4_k_m" });
    const parser = new GgufHeaderParser();
    parser.push(found);
    const header = parser.finish();
    const golden = await opened(goldenFile("tiny-Q4_K_M"));
    const inOrder = (await opened(source)).tensors.map(({ name }) => name);
    expect(header.tensors.map(({ name }) => name)).toEqual(inOrder);
    expect([...header.metadata]).toEqual([...golden.metadata]);
    expect(found.byteLength).toBe(goldenFile("tiny-Q4_K_M").byteLength);
    for (const { name, offset, byteLength, type } of header.tensors) {
      const other = golden.tensors.find((tensor) => tensor.name === name);
      expect(other?.type).toBe(type);
      const start = golden.file.header.dataStart + (other?.offset ?? 0);
      const expected = goldenFile("tiny-Q4_K_M").subarray(start, start + byteLength);
      const at = header.dataStart + offset;
      expect(found.subarray(at, at + byteLength).equals(expected), name).toBe(true);
    }
  });

  it("a stream that is cut off anywhere fails", async () => {
    for (const size of [3, 100, 2000, 50_000, source.byteLength - 1]) {
      const cut = source.subarray(0, size);
      await expect(throughStream(cut, { fileType: "q8_0" })).rejects.toThrow(/cut off/);
    }
  });
});

async function throughStream(bytes: Uint8Array, options: GgufPlanOptions): Promise<Buffer> {
  const readable = new Blob([bytes.slice()]).stream();
  const parts: Uint8Array[] = [];
  for await (const part of readable.pipeThrough(new QuantizeGgufStream(options))) parts.push(part);
  return Buffer.concat(parts);
}

describe("dequantized files", () => {
  it("have the floats of the blocks, norms as they are, and the file type", async () => {
    const { file, metadata, tensors } = await opened(goldenFile("tiny-Q8_0"));
    for (const fileType of ["f32", "f16", "bf16"] as const) {
      const plan = planDequantized(metadata, tensors, { fileType });
      const parts: Uint8Array[] = [];
      await runGguf(plan, rangeReader([file]), async (part) => {
        parts.push(part.slice());
      });
      const { metadata: after, tensors: floats } = await opened(Buffer.concat(parts));
      expect(after.integer("general.file_type")).toBe({ f32: 0, f16: 1, bf16: 32 }[fileType]);
      const types = new Set(floats.map(({ type }) => type.name));
      expect(types).toEqual(new Set(["F32", fileType.toUpperCase()]));
    }
  });

  it("quantized again they are the same bytes", async () => {
    const q8 = goldenFile("tiny-Q8_0");
    const { file, metadata, tensors } = await opened(q8);
    const parts: Uint8Array[] = [];
    await runGguf(
      planDequantized(metadata, tensors, { fileType: "f32" }),
      rangeReader([file]),
      async (part) => {
        parts.push(part.slice());
      },
    );
    const again = await quantized(Buffer.concat(parts), { fileType: "q8_0" });
    expect(again.byteLength).toBe(q8.byteLength);
    const same = again.reduce((sum, byte, i) => sum + (byte === q8[i] ? 1 : 0), 0);
    expect(same / q8.byteLength).toBeGreaterThan(0.999);
  });
});

describe("plans", () => {
  const names = async (options: GgufPlanOptions) => {
    const { metadata, tensors } = await opened(goldenFile("tiny-f16"));
    const { steps, warnings } = planGguf(metadata, tensors, options);
    const typeOf = Object.fromEntries(steps.map(({ target }) => [target.name, target.type.name]));
    return { typeOf, warnings };
  };

  it("obey rules before mixtures, and exclusions before both", async () => {
    const { typeOf, warnings } = await names({
      fileType: "q4_k_m",
      rules: [
        { pattern: "blk.*.ffn_up.weight", action: "Q8_0" },
        { pattern: "nothing", action: "copy" },
      ],
      exclude: ["blk.1.**"],
    });
    expect(typeOf["blk.0.ffn_up.weight"]).toBe("Q8_0");
    expect(typeOf["blk.1.ffn_up.weight"]).toBe("F16");
    expect(typeOf["blk.0.ffn_gate.weight"]).toBe("Q4_K");
    expect(warnings).toContain('--rule "nothing" matches no tensor');
  });

  it("refuse what cannot be", async () => {
    const rule = { pattern: "blk.0.attn_output.weight", action: "Q4_K" } as const;
    await expect(names({ fileType: "q8_0", rules: [rule] })).rejects.toThrow(
      /asks for Q4_K, whose blocks have 256 values; its rows have 64/,
    );
    const q2 = "q2_k_s" as GgufFileType;
    await expect(names({ fileType: q2 })).rejects.toThrow(/needs an importance matrix/);
    const { metadata, tensors } = await opened(goldenFile("tiny-Q8_0"));
    expect(() => planGguf(metadata, tensors, { fileType: "q4_0" })).toThrow(
      /it is Q8_0 already, and would become .*--allow-requantize/,
    );
    const { steps } = planGguf(metadata, tensors, { fileType: "q4_0", allowRequantize: true });
    expect(steps.some(({ recode }) => recode?.from === "Q8_0")).toBe(true);
  });

  it("tell where rows are too short for a type", async () => {
    const { warnings, typeOf } = await names({ fileType: "q4_k_m" });
    expect(typeOf["blk.0.attn_output.weight"]).toBe("Q5_0");
    expect(warnings).toContain(
      'tensor "blk.0.attn_output.weight" becomes Q5_0: its rows of 64 values cannot be Q4_K',
    );
  });
});
