/** What a stream refuses, and how it says so. */

import { describe, expect, it } from "vitest";
import { QuantizeSafetensorsStream } from "../../src/checkpoint/quantize-stream.ts";
import { FormatError, NonFiniteError, PlanError } from "../../src/index.ts";
import { goldenFile, LLAMA, pipe, quantized, SOURCE } from "./quantized-streams.ts";
import { fileInOrder, floatBytesAs, opaque, readFile, weights } from "./safetensors-files.ts";
import { collect, errorOf, settled, sourceOf } from "./streams.ts";

describe("bad input", () => {
  const tensors = readFile(SOURCE).tensors;
  const second = tensors[1] as (typeof tensors)[number];
  const { dataStart } = readFile(SOURCE);

  it.each([
    ["nothing", 0],
    ["part of the length", 5],
    ["part of the header", 100],
  ])("reports a stream of %s", async (_, byteCount) => {
    const error = await errorOf(quantized(SOURCE.subarray(0, byteCount), { name: "upload" }));
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toContain("upload");
  });

  it("names the tensor in which a truncated stream ends", async () => {
    const cut = SOURCE.subarray(0, dataStart + second.begin + 10);
    const error = await errorOf(quantized(cut, { model: LLAMA, name: "upload" }));
    expect(error).toBeInstanceOf(FormatError);
    expect(error).toMatchObject({ file: "upload", tensor: second.name });
  });

  it("reports bytes behind the last tensor", async () => {
    const longer = new Uint8Array(SOURCE.byteLength + 3);
    longer.set(SOURCE);
    const error = await errorOf(quantized(longer, { model: LLAMA }));
    expect(error).toBeInstanceOf(FormatError);
    expect(error).toMatchObject({ offset: SOURCE.byteLength });
  });

  it("reports garbage", async () => {
    const garbage = Uint8Array.from({ length: 5000 }, (_, i) => (i * 7919) % 251);
    expect(await errorOf(quantized(garbage))).toBeInstanceOf(FormatError);
  });

  it("reports chunks that are no bytes", async () => {
    const words = new ReadableStream({
      start: (controller) => controller.enqueue("text" as unknown as Uint8Array),
    });
    const out = words.pipeThrough(new QuantizeSafetensorsStream());
    expect((await errorOf(collect(out))).message).toMatch(/chunks of Uint8Array/);
  });

  it("names the tensor and the index of NaN, and cancels the source", async () => {
    const values = new Float32Array(4096).fill(0.5);
    values[1234] = NaN;
    const bytes = floatBytesAs("F32", values);
    const rest = weights("layers.1.fc1.weight", [2048, 2048], "F32");
    const file = fileInOrder([
      { name: "layers.0.fc1.weight", dtype: "F32", shape: [64, 64], bytes },
      rest,
    ]);
    const source = sourceOf(file, 1000);
    const error = await errorOf(collect(pipe(source)));
    expect(error).toBeInstanceOf(NonFiniteError);
    expect(error).toMatchObject({ tensor: "layers.0.fc1.weight", index: 1234 });
    await settled();
    expect(source.cancelled()).toBeDefined();
    expect((await quantized(file, { allowNonFinite: true })).byteLength).toBeGreaterThan(0);
  });

  it("reports NaN at once, though the source is silent", async () => {
    const values = new Float32Array(1 << 20).fill(0.5);
    values[3] = NaN;
    const bytes = floatBytesAs("F32", values);
    const file = fileInOrder([
      { name: "layers.0.fc1.weight", dtype: "F32", shape: [1024, 1024], bytes },
    ]);
    const source = sourceOf(file.subarray(0, 5 << 19), 1 << 16, { stalls: true });
    const error = await errorOf(collect(pipe(source)));
    expect(error).toBeInstanceOf(NonFiniteError);
    await settled();
    expect(source.cancelled()).toBeDefined();
  });

  it("names a tensor that cannot be aligned", async () => {
    // Too large to be kept for the file's end, and odd.
    const file = fileInOrder([
      opaque("large.bytes", "U8", [65_539]),
      weights("norm.weight", [131_072], "F32"),
    ]);
    const error = await errorOf(quantized(file));
    expect(error).toBeInstanceOf(PlanError);
    expect(error.message).toMatch(/"norm\.weight".*F32.*offset 65539.*PyTorch refuses/s);
  });

  it("refuses what is already quantized", async () => {
    const error = await errorOf(quantized(goldenFile("llama_tiny_nf4_dq/model.safetensors")));
    expect(error).toBeInstanceOf(PlanError);
    expect(error.message).toMatch(/already quantized/);
  });

  it.each([
    ["quantType", { quantType: "int3" as "int4" }],
    ["blockSize", { blockSize: 48 }],
    ["rule", { rules: [{ pattern: "**", action: "q4" as "nf4" }] }],
    ["exclude", { exclude: [""] }],
    ["mode", { mode: "rocm" as "cuda" }],
    ["kernels", { kernels: "gpu" as "wasm" }],
  ])("refuses a wrong %s at once", (option, options) => {
    expect(() => new QuantizeSafetensorsStream(options)).toThrow(
      expect.objectContaining({ code: "ARGUMENT", argument: option }),
    );
  });
});
