/** The way back: stored forms of the new quant types to plain weights. */

import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type CodingOptions, dequantize } from "../../src/index.ts";
import { dequantizeModel, quantizeModel } from "../../src/node/index.ts";
import { filesBelow, temporaryFolder } from "../cli/quantwise.ts";
import { sameBytes } from "../kernels/calls.ts";
import { llamaConfig, writeModel } from "../node/models.ts";
import { bytesOf } from "../tensor/float-vectors.ts";
import { recordOf } from "./native-parts.ts";
import { type PackedVector, packedModel, packedVectors } from "./packed-vectors.ts";
import { fileInOrder, type ReadFile, readFile, weights } from "./safetensors-files.ts";

async function expanded(input: string, options = {}): Promise<ReadFile> {
  const out = join(temporaryFolder(), "out");
  await dequantizeModel(input, out, options);
  return readFile(filesBelow(out).get("model.safetensors") as Buffer);
}

/** A checkpoint of one linear layer, as the package would save it. */
function checkpointOf({ weights: scheme, stored, tensor }: PackedVector): string {
  const parts = Object.keys(stored).map((name) => ({ ...tensor(name), name: `proj.${name}` }));
  const group = { targets: ["Linear"], format: "pack-quantized", weights: scheme };
  const section = {
    quant_method: "compressed-tensors",
    format: "pack-quantized",
    quantization_status: "compressed",
    config_groups: { group_0: group },
    ignore: ["lm_head"],
  };
  const config = llamaConfig({ quantization_config: section });
  return writeModel(join(temporaryFolder(), "model"), parts, config);
}

describe("golden linears of compressed-tensors", () => {
  it.each(packedVectors())("are expanded as by the package: $id", async (golden) => {
    const input = checkpointOf(golden);
    for (const kernels of ["wasm", "reference"] as const) {
      const file = await expanded(input, { kernels });
      const expected = golden.tensor("decompressed");
      const got = file.get("proj.weight");
      expect([got.dtype, got.shape]).toEqual([expected.dtype, expected.shape]);
      sameBytes(got.bytes, expected.bytes, kernels);
      expect(file.tensors).toHaveLength(1);
    }
  });

  it("make the golden checkpoint's weights", async () => {
    const { folder, hashes } = packedModel();
    const file = await expanded(folder);
    expect(Object.keys(hashes)).toHaveLength(14);
    expect(file.tensors.some(({ name }) => /weight_/.test(name))).toBe(false);
    for (const [name, hash] of Object.entries(hashes)) {
      const { bytes } = file.get(name);
      expect(createHash("sha256").update(bytes).digest("hex"), name).toBe(hash);
    }
  });
});

describe("our own form", () => {
  const tensors = [
    weights("layers.0.fc1.weight", [33, 77], "F32", { seed: 1 }),
    weights("layers.0.fc2.weight", [12, 40], "F16", { seed: 3 }),
    weights("layers.1.fc1.weight", [7, 131], "BF16", { seed: 4 }),
    weights("layers.1.fc2.weight", [700, 500], "BF16", { seed: 6 }),
  ];
  const codings: readonly CodingOptions[] = [
    { quantType: "int8" },
    { quantType: "int4", blockSize: 33 },
    { quantType: "int4", symmetric: true, doubleQuant: false },
    { quantType: "uint4", granularity: "channel", axis: -1 },
    { quantType: "uint8", granularity: "tensor" },
    { quantType: "mxfp4" },
    { quantType: "mxfp8" },
    { quantType: "mxfp8-e5m2" },
    { quantType: "nvfp4" },
    { quantType: "fp8-e4m3" },
    { quantType: "fp8-e5m2", granularity: "block", blockSize: 100 },
    { quantType: "af4" },
    { quantType: "dynamic8", blockSize: 100 },
    { quantType: "nf4" },
    { quantType: "llm-int8" },
  ];

  it.each(codings)("comes back as dequantize() has it: %o", async (coding) => {
    const folder = temporaryFolder();
    const input = join(folder, "model.safetensors");
    writeFileSync(input, fileInOrder(tensors));
    await quantizeModel(input, join(folder, "quantized"), { ...coding, format: "native" });
    const own = await expanded(join(folder, "quantized"));
    const floats = await expanded(join(folder, "quantized"), { dtype: "float32" });
    const dtypes = { F32: "float32", F16: "float16", BF16: "bfloat16" } as const;
    for (const tensor of tensors) {
      const record = recordOf(tensor, coding);
      expect(own.get(tensor.name)).toMatchObject({ dtype: tensor.dtype, shape: tensor.shape });
      const dtype = dtypes[tensor.dtype as "F32"];
      sameBytes(own.get(tensor.name).bytes, bytesOf(dequantize(record, { dtype })), tensor.name);
      sameBytes(floats.get(tensor.name).bytes, bytesOf(dequantize(record)), tensor.name);
    }
  });
});
