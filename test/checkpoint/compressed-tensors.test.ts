/** The pack-quantized form against what the package compressed-tensors 0.20.0 made and wrote. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { compressedTensors } from "../../src/checkpoint/layouts/compressed-tensors.ts";
import type { Weight } from "../../src/checkpoint/layouts/layout.ts";
import { PlanError } from "../../src/foundation/errors.ts";
import { type QuantizeModelOptions, quantizeModel } from "../../src/node/index.ts";
import { newWorkspace } from "../../src/tensor/default-workspace.ts";
import { encodeAll } from "../../src/tensor/encode-all.ts";
import type { EncodedScales } from "../../src/tensor/encoder.ts";
import { newEncoder } from "../../src/tensor/new-encoder.ts";
import { type CodingOptions, codingOf } from "../../src/tensor/options.ts";
import { goldenFolder, temporaryFolder } from "../cli/quantwise.ts";
import { sameBytes } from "../kernels/calls.ts";
import { llamaConfig, llamaTensors, writeModel } from "../node/models.ts";
import { bytesOf } from "../tensor/float-vectors.ts";
import { naive } from "../tensor/naive.ts";
import {
  PACKED_CONFIGS,
  type PackedVector,
  packDown,
  packedModel,
  packedVectors,
  packWords,
  valuesOf,
} from "./packed-vectors.ts";
import { readFile, type TestTensor, weights } from "./safetensors-files.ts";

const DTYPES: Readonly<Record<string, string>> = {
  float32: "F32",
  float16: "F16",
  bfloat16: "BF16",
  int32: "I32",
  int64: "I64",
};

const KERNELS = ["wasm", "reference"] as const;

const vectors = packedVectors();
const fitting = vectors.filter(
  ({ weights, shape }) => weights.strategy !== "tensor" && shape[1] % (32 / weights.num_bits) === 0,
);

function codingFor({ num_bits, symmetric, strategy, group_size }: PackedVector["weights"]) {
  const options: CodingOptions = {
    quantType: `int${num_bits}`,
    granularity: strategy === "group" ? "block" : "channel",
    ...(strategy === "group" ? { blockSize: group_size as number } : {}),
    symmetric,
    ...(strategy === "group" ? { doubleQuant: false } : {}),
  };
  return codingOf(options);
}

function weightFor({ weights, dtype, shape }: PackedVector): Weight {
  return { name: "proj.weight", dtype, shape, coding: codingFor(weights) };
}

const signed = (tensor: TestTensor) => new Int8Array(tensor.bytes.slice().buffer);

describe("golden linears", () => {
  it("are packed by the loops of this test as by the package", () => {
    for (const { weights, shape, tensor, stored } of vectors) {
      const { num_bits: bits } = weights;
      const codes = signed(tensor("codes"));
      sameBytes(packWords(codes, shape[1], bits), tensor("weight_packed").bytes, "codes");
      if (stored.weight_zero_point?.[0] !== "int32") continue;
      const zeroPoints = signed(tensor("zero_points"));
      const packed = packDown(zeroPoints, zeroPoints.length / shape[0], bits);
      sameBytes(packed, tensor("weight_zero_point").bytes, "zero points");
    }
  });

  it.each(fitting)("are stored under the same names, dtypes and shapes: $id", (golden) => {
    const outputs = compressedTensors.outputs(weightFor(golden), "longest");
    const ours = outputs.map(({ name, dtype, shape }) => [name, dtype, [...shape]]);
    const theirs = Object.entries(golden.stored).map(([name, [dtype, shape]]) => [
      `proj.${name}`,
      DTYPES[dtype],
      shape,
    ]);
    expect(ours.sort()).toEqual(theirs.sort());
    for (const { role, name, byteLength } of outputs) {
      const { bytes } = golden.tensor(name.slice("proj.".length));
      expect(byteLength, role).toBe(bytes.byteLength);
    }
  });

  it.each(fitting)("have the same bytes for the same scales and zero points: $id", (golden) => {
    const { weights, stored } = golden;
    const scales: EncodedScales = {
      family: "affine",
      scale: valuesOf(golden.tensor("weight_scale")),
      ...(weights.symmetric
        ? {}
        : { zeroPoint: Float32Array.from(signed(golden.tensor("zero_points"))) }),
    };
    const parts = compressedTensors.finalParts(weightFor(golden), scales, 0);
    const named = { scale: "weight_scale", weightShape: "weight_shape" } as const;
    for (const [role, name] of Object.entries(named)) {
      sameBytes(parts.get(role as "scale") as Uint8Array, golden.tensor(name).bytes, name);
    }
    expect(parts.has("zeroPoint")).toBe("weight_zero_point" in stored);
    if (!weights.symmetric) {
      const { bytes } = golden.tensor("weight_zero_point");
      sameBytes(parts.get("zeroPoint") as Uint8Array, bytes, "weight_zero_point");
    }
  });

  it.each(fitting)("have the same bytes for the same codes: $id", (golden) => {
    const [rows, columns] = golden.shape;
    const { num_bits: bits } = golden.weights;
    const half = 2 ** (bits - 1);
    // One more row, whose extremes make the scale 1 and the zero point 0: a weight is its code.
    const values = new Float32Array((rows + 1) * columns);
    values.set(signed(golden.tensor("codes")));
    values.set([-half, half - 1], rows * columns);
    const coding = codingOf({ quantType: `int${bits}`, granularity: "tensor" });
    const { bytes } = golden.tensor("weight_packed");
    for (const kernels of KERNELS) {
      const codes = new Uint8Array((values.length * bits) / 8);
      const encoder = newEncoder(newWorkspace(kernels), {
        coding,
        dtype: "float32",
        shape: [rows + 1, columns],
        ...compressedTensors.encoding({ ...weightFor(golden), dtype: "float32" }),
      });
      const input = { dtype: "float32", bytes: new Uint8Array(values.buffer) } as const;
      const { scales } = encodeAll(encoder, { ...input, elementCount: values.length }, codes);
      expect(scales).toMatchObject({ scale: Float32Array.of(1), zeroPoint: Float32Array.of(0) });
      sameBytes(codes.subarray(0, bytes.byteLength), bytes, kernels);
    }
  });

  it("with rows that do not fill words are refused, by name and with a way out", () => {
    const odd = vectors.filter(
      ({ weights, shape }) =>
        weights.strategy === "channel" && shape[1] % (32 / weights.num_bits) !== 0,
    );
    expect(odd.length).toBeGreaterThan(2);
    for (const golden of odd) {
      const act = () => compressedTensors.outputs(weightFor(golden), "longest");
      expect(act).toThrow(PlanError);
      expect(act).toThrow(
        /"proj\.weight": its \d+ columns do not fill words of [48] codes; copy it/,
      );
    }
  });
});

/** What a Llama keeps in float. The package names Linear modules alone; an embedding is none. */
const FLOATS = ["lm_head", "model.embed_tokens"];

/** Quantizes a checkpoint into a directory; its config.json and tensors. */
async function converted(input: string, options: QuantizeModelOptions) {
  const out = join(temporaryFolder(), "out");
  await quantizeModel(input, out, { format: "compressed-tensors", ...options });
  return {
    config: JSON.parse(readFileSync(join(out, "config.json"), "utf8")),
    file: readFile(readFileSync(join(out, "model.safetensors"))),
  };
}

describe("the golden checkpoint", () => {
  it("has the same tensors, and the same section of config.json as far as ours goes", async () => {
    const golden = packedModel();
    const { config, file } = await converted(goldenFolder("llama_tiny_bf16"), {
      quantType: "int4",
      blockSize: 32,
    });
    const listed = (tensors: readonly TestTensor[]) =>
      tensors.map(({ name, dtype, shape }) => `${name} ${dtype} [${shape}]`).sort();
    expect(listed(file.tensors)).toEqual(listed(golden.file.tensors));
    for (const { name, bytes } of golden.file.tensors) {
      if (/weight_(packed|scale)$/.test(name)) continue;
      sameBytes(file.get(name).bytes, bytes, name);
    }
    const { ignore, ...section } = config.quantization_config;
    expect(golden.config.quantization_config).toMatchObject(section);
    expect([...ignore].sort()).toEqual(FLOATS);
  });
});

describe("config.json", () => {
  const tensors = llamaTensors({ layers: 1, hidden: 128 });
  /** Fields that the package writes with defaults, and that its readers can do without. */
  const DEFAULTS = ["moe_sparsity_config", "sparsity_config", "transform_config", "version"];

  it.each(Object.keys(PACKED_CONFIGS).filter((name) => !name.endsWith("tensor")))(
    "says what the package says of %s",
    async (name) => {
      const [, bits, mode, grain] = /^int(\d)_(sym|asym)_(group128|channel)$/.exec(name) ?? [];
      const input = writeModel(join(temporaryFolder(), "model"), tensors, llamaConfig());
      const { config } = await converted(input, {
        quantType: `int${bits as "4" | "8"}`,
        symmetric: mode === "sym",
        ...(grain === "channel" ? { granularity: "channel" } : { blockSize: 128 }),
      });
      const { ignore, ...section } = config.quantization_config;
      const { ignore: theirs, ...rest } = PACKED_CONFIGS[name] ?? {};
      const expected = Object.entries(rest).filter(([key]) => !DEFAULTS.includes(key));
      expect(section).toEqual(Object.fromEntries(expected));
      expect([...ignore].sort()).toEqual(FLOATS);
      expect(FLOATS).toEqual(expect.arrayContaining(theirs as string[]));
    },
  );

  it("names the modules of a second type, and those that stay in float", async () => {
    const input = writeModel(join(temporaryFolder(), "model"), tensors, llamaConfig());
    const { config } = await converted(input, {
      quantType: "int4",
      rules: [{ pattern: "**.v_proj.weight", action: "int8" }],
      exclude: ["**.o_proj.weight"],
    });
    const { config_groups: groups, ignore } = config.quantization_config;
    expect(groups.group_0).toMatchObject({ targets: ["Linear"], weights: { num_bits: 4 } });
    expect(groups.group_1).toMatchObject({
      targets: ["model.layers.0.self_attn.v_proj"],
      weights: { num_bits: 8, group_size: 64, strategy: "group", symmetric: true },
    });
    expect([...ignore].sort()).toEqual([...FLOATS, "model.layers.0.self_attn.o_proj"]);
  });
});

describe("a linear layer of several tiles", () => {
  it.each([
    [4, [1000, 264]],
    [8, [2000, 132]],
  ] as const)(
    "is packed as one, though tiles end inside of words: %d bits",
    async (bits, shape) => {
      const name = "model.layers.0.mlp.up_proj.weight";
      const tensor = weights(name, shape, "F32", { seed: 21 });
      const input = writeModel(join(temporaryFolder(), "model"), [tensor]);
      const coding = { quantType: `int${bits}`, blockSize: 33 } as const;
      const expected = naive(valuesOf(tensor), {
        ...coding,
        shape,
        symmetric: true,
        doubleQuant: false,
      });
      const { file } = await converted(input, coding);
      const packed = packWords(Int8Array.from(expected.codes), shape[1], bits);
      sameBytes(file.get(`${name}_packed`).bytes, packed, name);
      sameBytes(file.get(`${name}_scale`).bytes, bytesOf(expected.scale), name);
    },
  );
});

describe("a converted linear layer", () => {
  const options: readonly CodingOptions[] = [
    { quantType: "int4" },
    { quantType: "int4", symmetric: false, blockSize: 32 },
    { quantType: "int8", granularity: "channel" },
    { quantType: "int8", symmetric: false, blockSize: 128 },
  ];

  const sizes = {
    F32: 0.02,
    BF16: 0.02,
    F16: 0.02,
    "F16, scales of int8 subnormal": 3e-4,
  } as const;

  describe.each(Object.entries(sizes))("in %s", (kind, deviation) => {
    const dtype = kind.split(",")[0] as "F32" | "F16" | "BF16";
    const tensors = llamaTensors({ layers: 1, hidden: 128 }).map(({ name, shape }, seed) =>
      weights(name, shape, dtype, { seed, deviation }),
    );
    const input = writeModel(join(temporaryFolder(), "model"), tensors);

    it.each(options)("has the codes of its stored scales: %o", async (coding) => {
      const bits = coding.quantType === "int4" ? 4 : 8;
      const { file } = await converted(input, coding);
      const linears = tensors.filter(({ name }) => name.endsWith("_proj.weight"));
      expect(linears).toHaveLength(7);
      for (const tensor of linears) {
        const [rows, columns] = tensor.shape as [number, number];
        const expected = naive(valuesOf(tensor), {
          ...(coding as { quantType: "int4" }),
          symmetric: coding.symmetric ?? true,
          doubleQuant: false,
          shape: tensor.shape,
          scaleDtype: ({ F32: "float32", F16: "float16", BF16: "bfloat16" } as const)[dtype],
        });
        const codes = Int8Array.from(expected.codes);
        const packed = file.get(`${tensor.name}_packed`);
        sameBytes(packed.bytes, packWords(codes, columns, bits), tensor.name);
        const scale = file.get(`${tensor.name}_scale`);
        expect(scale.dtype).toBe(dtype);
        expect([...valuesOf(scale)]).toEqual([...expected.scale]);
        const shape = new BigInt64Array(file.get(`${tensor.name}_shape`).bytes.slice().buffer);
        expect([...shape]).toEqual([BigInt(rows), BigInt(columns)]);
        if (expected.zeroPoint === undefined) continue;
        const zeroPoints = file.get(`${tensor.name}_zero_point`);
        const groups = expected.scale.length / rows;
        sameBytes(zeroPoints.bytes, packDown(expected.zeroPoint, groups, bits), tensor.name);
      }
    });
  });
});
