import { describe, expect, it } from "vitest";
import { QuantizeSafetensorsStream } from "../../src/checkpoint/quantize-stream.ts";
import { PlanError } from "../../src/index.ts";
import { sameBytes } from "../kernels/calls.ts";
import { goldenFile, LLAMA, pipe, quantized, SOURCE, TEXT } from "./quantized-streams.ts";
import {
  bitsOf,
  fileInOrder,
  opaque,
  readFile,
  type TestTensor,
  weights,
} from "./safetensors-files.ts";
import { collect, errorOf, settled, sourceOf } from "./streams.ts";

/** Everything begins where PyTorch takes it, and nothing lies between. */
function expectAligned(file: Uint8Array): void {
  for (const { name, dtype, begin, bytes } of readFile(file).tensors) {
    const itemBytes = bitsOf(dtype) / 8;
    if (bytes.byteLength > 0) expect(`${name} ${begin % itemBytes}`).toBe(`${name} 0`);
  }
}

/** The tensors of both files are the same, but for the spaces behind the texts. */
function expectSameTensors(actual: Uint8Array, expected: Uint8Array): void {
  const a = readFile(actual);
  const b = readFile(expected);
  const names = (file: typeof a) => file.tensors.map(({ name }) => name).sort();
  expect(names(a)).toEqual(names(b));
  for (const { name, dtype, shape, bytes } of b.tensors) {
    const got = a.get(name);
    expect(got.dtype).toBe(dtype);
    if (TEXT.test(name)) {
      expect(Buffer.from(got.bytes).toString().trimEnd()).toBe(Buffer.from(bytes).toString());
    } else {
      expect(got.shape).toEqual(shape);
      sameBytes(got.bytes, bytes, name);
    }
  }
}

/** Small tensors with awkward sizes, in an awkward order. */
function mixture(): TestTensor[] {
  return [
    opaque("mask", "BOOL", [3]),
    weights("layers.0.fc1.weight", [5, 13], "F32"),
    opaque("ids", "I64", [2]),
    weights("layers.0.fc1.bias", [5], "BF16"),
    weights("layers.0.fc2.weight", [7, 9], "F16"),
    opaque("table", "U8", [13]),
    weights("layers.1.fc1.weight", [1, 1], "BF16"),
    opaque("double", "F64", [3]),
    opaque("empty", "F32", [0, 4]),
    weights("layers.1.fc2.weight", [64, 65], "BF16"),
    opaque("small", "I16", [3]),
  ];
}

describe("QuantizeSafetensorsStream", () => {
  it.each([
    ["llama_tiny_nf4_dq", {}],
    ["llama_tiny_nf4", { doubleQuant: false }],
    ["llama_tiny_fp4", { quantType: "fp4", doubleQuant: false }],
    ["llama_tiny_int8", { quantType: "llm-int8" }],
  ] as const)("makes the tensors of %s", async (golden, options) => {
    const file = await quantized(SOURCE, { model: LLAMA, ...options });
    expectAligned(file);
    expectSameTensors(file, goldenFile(`${golden}/model.safetensors`));
  });

  it.each([1, 7, 63, 64, 65, 1000, 65536, SOURCE.byteLength])(
    "makes the same bytes of chunks of %i bytes",
    async (chunkBytes) => {
      const expected = await quantized(SOURCE, { model: LLAMA });
      const actual = await quantized(SOURCE, { model: LLAMA }, chunkBytes);
      sameBytes(actual, expected, "file");
    },
    20_000,
  );

  it("takes empty chunks", async () => {
    const withEmpty = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < SOURCE.byteLength; at += 50_000) {
          controller.enqueue(new Uint8Array(0));
          controller.enqueue(SOURCE.slice(at, at + 50_000));
        }
        controller.close();
      },
    });
    const out = withEmpty.pipeThrough(new QuantizeSafetensorsStream({ model: LLAMA }));
    sameBytes(await collect(out), await quantized(SOURCE, { model: LLAMA }), "file");
  });

  it.each([
    ["NF4 with nested statistics", {}],
    ["NF4 without", { doubleQuant: false }],
    ["LLM.int8", { quantType: "llm-int8" }],
    ["bfloat16 storage", { quantStorage: "bfloat16", include: ["layers.1.fc2.weight"] }],
    ["float32 storage", { quantStorage: "float32", include: ["layers.1.fc2.weight"] }],
  ] as const)("aligns tensors of awkward sizes: %s", async (_, options) => {
    const tensors = mixture();
    const file = await quantized(fileInOrder(tensors), options);
    expectAligned(file);
    const read = readFile(file);
    expect(read.metadata).toEqual({ format: "pt" });
    expect(read.dataStart % 8).toBe(0);
    for (const { name, bytes, dtype, shape } of tensors) {
      const got = read.tensors.find((tensor) => tensor.name === name);
      // What is quantized stays under its name, as bytes.
      const isCopied = got?.dtype === dtype && !name.includes(".fc");
      if (isCopied) expect(got).toMatchObject({ dtype, shape, bytes });
      else expect(got).toBeDefined();
    }
  });

  it("has the values of the exact file where the sizes are awkward", async () => {
    const file = fileInOrder([
      weights("layers.0.fc1.weight", [33, 77], "F32"),
      opaque("mask", "BOOL", [3]),
      weights("layers.0.fc2.weight", [12, 40], "F16"),
      weights("layers.0.fc1.bias", [7], "BF16"),
    ]);
    const [whole, small] = [
      await quantized(file, { doubleQuant: false }),
      await quantized(file, { doubleQuant: false, kernels: "reference" }, 11),
    ];
    sameBytes(small, whole, "file");
  });

  it("puts weight_format of LLM.int8, one odd byte, at the file's end", async () => {
    const file = await quantized(SOURCE, { model: LLAMA, quantType: "llm-int8" });
    const names = readFile(file).tensors.map(({ name }) => name);
    const count = names.filter((name) => name.endsWith("weight_format")).length;
    expect(count).toBe(14);
    expect(names.slice(-count).every((name) => name.endsWith("weight_format"))).toBe(true);
  });

  it("pads the texts with spaces and nothing else", async () => {
    const file = await quantized(SOURCE, { model: LLAMA });
    const texts = readFile(file).tensors.filter(({ name }) => TEXT.test(name));
    expect(texts).toHaveLength(14);
    for (const { bytes } of texts) {
      const text = Buffer.from(bytes).toString();
      expect(text).toMatch(/^\{.*\} *$/);
      expect(JSON.parse(text)).toMatchObject({ blocksize: 64, nested_blocksize: 256 });
    }
  });

  it("quantizes only well-known linear layers of an unknown model", async () => {
    const file = fileInOrder([
      weights("encoder.0.fc1.weight", [4, 64]),
      weights("encoder.0.norm.weight", [64]),
      weights("embed.weight", [4, 64]),
      weights("lm_head.weight", [4, 64]),
    ]);
    const names = readFile(await quantized(file)).tensors.map(({ name }) => name);
    const states = names.filter((name) => TEXT.test(name));
    expect(states).toEqual(["encoder.0.fc1.weight.quant_state.bitsandbytes__nf4"]);
  });

  it("turns Conv1D weights on their side, up to maxTensorBytes", async () => {
    const model = { modelType: "gpt2", architectures: ["GPT2LMHeadModel"] };
    const file = fileInOrder([weights("transformer.h.0.attn.c_attn.weight", [64, 192])]);
    const out = readFile(await quantized(file, { model, doubleQuant: false }));
    const name = "transformer.h.0.attn.c_attn.weight.quant_state.bitsandbytes__nf4";
    const state = JSON.parse(Buffer.from(out.get(name).bytes).toString());
    expect(state.shape).toEqual([192, 64]);
    const error = await errorOf(quantized(file, { model, maxTensorBytes: 1000 }));
    expect(error).toBeInstanceOf(PlanError);
    expect(error.message).toMatch(/c_attn\.weight.*24576 bytes.*maxTensorBytes/);
  });

  it("reports each tensor once it is through", async () => {
    const reports: string[] = [];
    await quantized(SOURCE, {
      model: LLAMA,
      onTensor: ({ name, action }) => reports.push(`${name} ${action}`),
    });
    const names = readFile(SOURCE).tensors.map(({ name }) => name);
    expect(reports.map((report) => report.split(" ")[0])).toEqual(names);
    expect(reports.filter((report) => report.endsWith(" nf4"))).toHaveLength(14);
  });
});

describe("the flow", () => {
  const big = fileInOrder([
    weights("layers.0.fc1.weight", [1024, 1024], "F32"),
    weights("layers.1.fc1.weight", [1024, 1024], "F32"),
    weights("layers.2.fc1.weight", [1024, 1024], "F32"),
    weights("layers.3.fc1.weight", [1024, 1024], "F32"),
  ]);
  const chunkBytes = 1 << 16;

  it("sends the whole header first", async () => {
    const source = sourceOf(SOURCE, 100);
    const reader = pipe(source, { model: LLAMA }).getReader();
    const { value } = await reader.read();
    const view = new DataView((value as Uint8Array).buffer);
    expect(value?.byteLength).toBe(8 + Number(view.getBigUint64(0, true)));
    await reader.cancel();
  });

  it("reads only as far ahead as a slow reader allows", async () => {
    const source = sourceOf(big, chunkBytes);
    const reader = pipe(source).getReader();
    await settled();
    // Four tiles of 1 MB, and what lies in the queues between.
    const windows = 5 << 20;
    expect(source.given()).toBeLessThan(windows);
    let received = 0;
    for (let i = 0; i < 3; i++) {
      received += (await reader.read()).value?.byteLength ?? 0;
      await settled();
      // A byte of output stands for up to eight of the input.
      expect(source.given()).toBeLessThan(windows + 9 * received);
    }
    expect(source.given()).toBeLessThan(big.byteLength);
    await reader.cancel();
  });

  it("ends for a reader that asks for all chunks at once", async () => {
    const reader = pipe(sourceOf(SOURCE, 1000), { model: LLAMA }).getReader();
    const reads = Array.from({ length: 400 }, () => reader.read());
    const results = await Promise.all(reads);
    expect(results.at(-1)?.done).toBe(true);
    const bytes = results.reduce((sum, { value }) => sum + (value?.byteLength ?? 0), 0);
    expect(bytes).toBe((await quantized(SOURCE, { model: LLAMA })).byteLength);
  });

  it("ends for a reader that asks late, and for a source that answers late", async () => {
    const late = new TransformStream<Uint8Array, Uint8Array>({
      async transform(chunk, controller) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        controller.enqueue(chunk);
      },
    });
    const source = sourceOf(SOURCE, 20_000);
    const out = source.stream
      .pipeThrough(late)
      .pipeThrough(new QuantizeSafetensorsStream({ model: LLAMA }));
    const reader = out.getReader();
    let bytes = 0;
    for (;;) {
      await settled();
      const { done, value } = await reader.read();
      if (done) break;
      bytes += value.byteLength;
    }
    expect(bytes).toBe((await quantized(SOURCE, { model: LLAMA })).byteLength);
  });

  it.each([
    ["before the first byte", 0],
    ["after the header", 1],
    ["in the middle", 3],
  ])("cancels the source when its reader cancels %s", async (_, reads) => {
    const source = sourceOf(big, chunkBytes);
    const reader = pipe(source).getReader();
    for (let i = 0; i < reads; i++) await reader.read();
    const reason = new Error("enough");
    await reader.cancel(reason);
    await settled();
    expect(source.cancelled()?.reason).toBe(reason);
    const before = source.given();
    await settled();
    expect(source.given()).toBe(before);
  });

  it("cancels a source that is silent", async () => {
    const source = sourceOf(big.subarray(0, big.byteLength >> 1), chunkBytes, { stalls: true });
    const reader = pipe(source).getReader();
    await reader.read();
    await settled();
    await reader.cancel("enough");
    await settled();
    expect(source.cancelled()?.reason).toBe("enough");
  });

  it("stays calm when the reader leaves between the last byte and the source's end", async () => {
    const rejections: unknown[] = [];
    const note = (reason: unknown) => rejections.push(reason);
    process.on("unhandledRejection", note);
    try {
      const size = (await quantized(SOURCE, { model: LLAMA })).byteLength;
      const source = sourceOf(SOURCE, 1 << 20, { stalls: true });
      const reader = pipe(source, { model: LLAMA }).getReader();
      for (let left = size; left > 0; ) left -= (await reader.read()).value?.byteLength ?? 0;
      await settled();
      await reader.cancel("that was all");
      await settled();
      expect(source.cancelled()).toBeDefined();
      expect(rejections).toEqual([]);
    } finally {
      process.off("unhandledRejection", note);
    }
  });

  it("fails its reader when the writer aborts", async () => {
    const transform = new QuantizeSafetensorsStream({ model: LLAMA });
    const writer = transform.writable.getWriter();
    void writer.write(SOURCE.subarray(0, 100_000)).catch(() => {});
    const reading = errorOf(collect(transform.readable));
    await settled();
    const reason = new Error("the upload broke");
    await writer.abort(reason);
    expect(await reading).toBe(reason);
  });

  it("passes an error of the source on", async () => {
    const broken = new Error("connection reset");
    const source = sourceOf(SOURCE.subarray(0, 150_000), 1000, { error: broken });
    expect(await errorOf(collect(pipe(source, { model: LLAMA })))).toBe(broken);
  });

  it("stops at its signal, with the signal's reason, and cancels the source", async () => {
    const controller = new AbortController();
    const source = sourceOf(big, chunkBytes);
    const reader = pipe(source, { signal: controller.signal }).getReader();
    await reader.read();
    const reason = new Error("shut down");
    controller.abort(reason);
    const error = await errorOf(
      (async () => {
        while (!(await reader.read()).done);
      })(),
    );
    expect(error).toBe(reason);
    await settled();
    expect(source.cancelled()).toBeDefined();
  });

  it("ends at its signal though its reader has stalled", async () => {
    const controller = new AbortController();
    const source = sourceOf(big, chunkBytes);
    const reader = pipe(source, { signal: controller.signal }).getReader();
    await reader.read();
    await settled();
    const reason = new Error("nobody reads");
    controller.abort(reason);
    expect(await errorOf(reader.closed)).toBe(reason);
    expect(source.cancelled()).toBeDefined();
  });

  it("fails at once with a signal that was aborted before", async () => {
    const reason = new Error("too late");
    const options = { signal: AbortSignal.abort(reason) };
    expect(await errorOf(quantized(SOURCE, options))).toBe(reason);
  });
});
