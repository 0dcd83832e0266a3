/** Our own form in shards, and a transposed tensor that is read twice. */

import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type QuantizeModelOptions, quantizeModel } from "../../src/node/index.ts";
import { filesBelow, temporaryFolder } from "../cli/quantwise.ts";
import { sameBytes } from "../kernels/calls.ts";
import { llamaConfig, llamaTensors, writeModel } from "../node/models.ts";
import { metadataOf, nativeParts, recordOf } from "./native-parts.ts";
import { floatBytesAs, normalFloats, type ReadFile, readFile } from "./safetensors-files.ts";

const tensors = llamaTensors({ layers: 4 });

async function filesOf(options: QuantizeModelOptions): Promise<Map<string, ReadFile>> {
  const folder = temporaryFolder();
  const input = writeModel(join(folder, "model"), tensors, llamaConfig());
  await quantizeModel(input, join(folder, "out"), options);
  const all = [...filesBelow(join(folder, "out"))];
  return new Map(
    all
      .filter(([name]) => name.endsWith(".safetensors"))
      .map(([name, bytes]) => [name, readFile(bytes)]),
  );
}

describe("shards", () => {
  it.each([
    { quantType: "int4" },
    { quantType: "nvfp4" },
    { quantType: "int8", granularity: "tensor" },
  ] as const)(
    "describe the weights that they hold, each with all its parts: %o",
    async (coding) => {
      const [whole] = [...(await filesOf(coding)).values()] as [ReadFile];
      const shards = await filesOf({ ...coding, maxShardSize: 40_000 });
      expect(shards.size).toBeGreaterThan(3);
      const described: string[] = [];
      const found: string[] = [];
      for (const file of shards.values()) {
        const names = new Set(file.tensors.map(({ name }) => name));
        for (const { name, bytes } of file.tensors) sameBytes(bytes, whole.get(name).bytes, name);
        found.push(...names);
        const own = Object.keys(metadataOf(file)?.tensors ?? {});
        for (const weight of own) expect(names.has(`${weight}.scale`)).toBe(true);
        expect(own.sort()).toEqual([...names].filter((name) => names.has(`${name}.scale`)).sort());
        described.push(...own);
      }
      expect(found.sort()).toEqual(whole.tensors.map(({ name }) => name).sort());
      expect(described.sort()).toEqual(Object.keys(metadataOf(whole).tensors).sort());
    },
  );

  it("without a weight of ours have no word of ours", async () => {
    const shards = await filesOf({ quantType: "int4", maxShardSize: 1000 });
    const plain = [...shards.values()].filter(({ metadata }) => metadata?.quantwise === undefined);
    expect(plain.length).toBeGreaterThan(0);
    for (const { metadata } of plain) expect(metadata).toEqual({ format: "pt" });
  });
});

describe("a large Conv1D of GPT-2 in a file", () => {
  const name = "h.0.mlp.c_fc.weight";
  const [inputs, outputs] = [520, 600];
  const values = normalFloats(inputs * outputs, 9);
  const turned = values.map((_, i) => values[(i % inputs) * outputs + Math.floor(i / inputs)] ?? 0);
  const stored = {
    name,
    dtype: "F32",
    shape: [inputs, outputs],
    bytes: floatBytesAs("F32", values),
  };

  it.each([
    { quantType: "nvfp4" },
    { quantType: "int4", granularity: "tensor" },
    { quantType: "int8", granularity: "channel", axis: 1 },
    { quantType: "uint4", blockSize: 33 },
  ] as const)("is turned as often as it is read: %o", async (coding) => {
    const folder = temporaryFolder();
    const config = { model_type: "gpt2", architectures: ["GPT2LMHeadModel"] };
    const input = writeModel(join(folder, "model"), [stored], JSON.stringify(config));
    await quantizeModel(input, join(folder, "out"), coding);
    const file = readFile(filesBelow(join(folder, "out")).get("model.safetensors") as Buffer);
    const asModuleSeesIt = {
      ...stored,
      shape: [outputs, inputs],
      bytes: floatBytesAs("F32", turned),
    };
    for (const [part, [, shape, bytes]] of nativeParts(name, recordOf(asModuleSeesIt, coding))) {
      expect(file.get(part).shape).toEqual(shape);
      sameBytes(file.get(part).bytes, bytes, part);
    }
    expect(metadataOf(file).tensors[name]?.shape).toEqual([outputs, inputs]);
  });
});
