import { readdirSync, readFileSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { quantizeModel } from "../../src/node/index.ts";
import type { QuantizeModelOptions } from "../../src/node/quantize-options.ts";
import { errorOf } from "../checkpoint/streams.ts";
import { quantwise, temporaryFolder } from "../cli/quantwise.ts";
import { llamaConfig, llamaTensors, writeModel } from "../node/models.ts";

const tensors = llamaTensors({ layers: 3, hidden: 192, dtype: "BF16" });

function modelFolder(): string {
  const folder = temporaryFolder();
  writeModel(folder, tensors, llamaConfig());
  return folder;
}

function filesOf(folder: string): [string, Buffer][] {
  return readdirSync(folder)
    .sort()
    .map((name) => [name, readFileSync(join(folder, name))]);
}

describe("a checkpoint on several threads", () => {
  it.each([
    {},
    { quantType: "fp4", doubleQuant: false },
    { quantType: "llm-int8" },
    { quantType: "int4" },
    { quantType: "int4", format: "compressed-tensors" },
    { quantType: "int8", granularity: "tensor" },
    { quantType: "nvfp4" },
    { quantType: "mxfp8", rules: [{ pattern: "**.mlp.**", action: "nf4" }] },
    { maxShardSize: 200_000 },
  ] as QuantizeModelOptions[])("has the bytes of one: %o", async (options) => {
    const model = modelFolder();
    const [one, three] = [join(temporaryFolder(), "one"), join(temporaryFolder(), "three")];
    const single = await quantizeModel(model, one, { ...options, threads: 1 });
    const many = await quantizeModel(model, three, { ...options, threads: 3 });
    expect(filesOf(three)).toEqual(filesOf(one));
    expect(single.threads).toBe(1);
    expect(many.counts).toEqual(single.counts);
    expect(many.totals.worst?.name).toBe(single.totals.worst?.name);
    const worst = single.totals.worst?.error?.relativeRms as number;
    expect(many.totals.worst?.error?.relativeRms).toBeCloseTo(worst, 12);
    expect(many.bytesAfter).toBe(single.bytesAfter);
  });

  it("is worked on by every thread", async () => {
    const out = join(temporaryFolder(), "out");
    const result = await quantizeModel(modelFolder(), out, { threads: 2 });
    expect(result.threads).toBe(2);
  });

  it("fails with the first bad weight's name, and leaves nothing", async () => {
    const folder = temporaryFolder();
    const broken = tensors.map((tensor) => {
      if (!tensor.name.includes("layers.1.mlp.down_proj")) return tensor;
      const bytes = tensor.bytes.slice();
      bytes.set([0xff, 0x7f], 10);
      return { ...tensor, bytes };
    });
    writeModel(folder, broken, llamaConfig());
    const parent = temporaryFolder();
    const error = await errorOf(quantizeModel(folder, join(parent, "out"), { threads: 2 }));
    expect(error).toMatchObject({ code: "NON_FINITE", index: 5 });
    expect(error.message).toMatch(/model\.layers\.1\.mlp\.down_proj\.weight/);
    expect(readdirSync(parent)).toEqual([]);
  });

  it("fails when the source ends early, with its name, and leaves nothing", async () => {
    const folder = modelFolder();
    const source = join(folder, "model.safetensors");
    const { size } = statSync(source);
    const parent = temporaryFolder();
    const job = quantizeModel(folder, join(parent, "out"), {
      threads: 2,
      onPlan: () => truncateSync(source, size - 1000),
    });
    const error = await errorOf(job);
    expect(error).toMatchObject({ code: "FORMAT", file: source });
    expect(error.message).toMatch(/the file ends here, earlier than when it was opened/);
    expect(readdirSync(parent)).toEqual([]);
  });

  it("stops at a signal, and leaves nothing", async () => {
    const parent = temporaryFolder();
    const stop = new AbortController();
    const reason = new Error("enough");
    const job = quantizeModel(modelFolder(), join(parent, "out"), {
      threads: 2,
      signal: stop.signal,
      onTensor: () => stop.abort(reason),
    });
    expect(await errorOf(job)).toBe(reason);
    expect(readdirSync(parent)).toEqual([]);
  });

  it("is asked for with --threads", async () => {
    const out = join(temporaryFolder(), "out");
    const { code, stdout } = await quantwise([
      "quantize",
      modelFolder(),
      "-o",
      out,
      "--threads",
      "2",
      "--json",
      "--quiet",
    ]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout.toString())).toMatchObject({ threads: 2 });
  });
});

it("a number of threads that is none is refused, and nothing is left", async () => {
  const parent = temporaryFolder();
  const error = await errorOf(quantizeModel(modelFolder(), join(parent, "out"), { threads: 0 }));
  expect(error).toMatchObject({ code: "ARGUMENT", argument: "threads" });
  expect(readdirSync(parent)).toEqual([]);
});
