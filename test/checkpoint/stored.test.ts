/** Every quant type in every layout, written to files and expanded again: the weights of memory. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { f32ToBf16, f32ToF16 } from "../../src/foundation/half.ts";
import { dequantize, type FloatDtype, type QuantizeOptions } from "../../src/index.ts";
import { type QuantizeModelOptions, quantizeModel } from "../../src/node/index.ts";
import { goldenFolder, temporaryFolder } from "../cli/quantwise.ts";
import { sameBytes } from "../kernels/calls.ts";
import { recordOf } from "./native-parts.ts";
import { type PackedVector, packedVectors, valuesOf } from "./packed-vectors.ts";
import { opaque, referenceFile, type TestTensor, weights } from "./safetensors-files.ts";
import {
  configIn,
  expand,
  FLOAT_NAMES,
  readModel,
  SAFETENSORS_NAMES,
  type Stored,
  torn,
  writeStored,
} from "./stored-models.ts";

const SOURCES = ["F32", "F16", "BF16"] as const;
const DTYPES = [undefined, "float32", "float16", "bfloat16"] as const;
const CUBE = "layers.3.cube";

/** Linear layers of ordinary and odd shapes, an empty one, and tensors that stay as they are. */
function model(dtype: "F32" | "F16" | "BF16", hasOdd = true): TestTensor[] {
  const tensor = (name: string, shape: readonly number[], seed: number) =>
    weights(name, shape, dtype, { seed });
  return [
    opaque("ids", "I64", [3]),
    tensor("layers.0.fc1.weight", [64, 128], 1),
    tensor("layers.0.fc1.bias", [64], 2),
    tensor("layers.0.fc2.weight", [24, 320], 3),
    ...(hasOdd
      ? [
          tensor("layers.1.fc1.weight", [33, 77], 4),
          tensor("layers.1.fc2.weight", [1, 1], 5),
          tensor("layers.2.fc1.weight", [129, 1], 6),
          tensor(CUBE, [3, 5, 67], 7),
        ]
      : []),
    opaque("layers.2.fc2.weight", dtype, [0, 64]),
    tensor("norm.weight", [9], 8),
  ];
}

function written(tensors: readonly TestTensor[], config?: object): string {
  const folder = join(temporaryFolder(), "model");
  mkdirSync(folder);
  writeFileSync(join(folder, "model.safetensors"), referenceFile(tensors));
  if (config !== undefined) writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  return folder;
}

async function quantized(from: string, options: QuantizeModelOptions): Promise<string> {
  const out = join(temporaryFolder(), "quantized");
  await quantizeModel(from, out, { threads: 1, ...options } as QuantizeModelOptions);
  return out;
}

const isQuantized = ({ name, shape }: TestTensor) =>
  (name === CUBE || /\.fc\d\.weight$/.test(name)) && !shape.includes(0);

/** The bytes that `dequantize(quantize(tensor))` has in a dtype. */
function inMemory(tensor: TestTensor, options: QuantizeOptions, dtype: FloatDtype): Uint8Array {
  const values = dequantize(recordOf(tensor, options), { dtype });
  return new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength);
}

function expectExpanded(
  stored: Stored,
  source: readonly TestTensor[],
  expected: (tensor: TestTensor, dtype: FloatDtype) => Uint8Array,
  dtype: FloatDtype | undefined,
): void {
  expect(stored.tensors.map(({ name }) => name).sort()).toEqual(
    source.map(({ name }) => name).sort(),
  );
  for (const tensor of source) {
    const got = stored.get(tensor.name);
    const wanted = dtype ?? (FLOAT_NAMES[tensor.dtype] as FloatDtype);
    const isExpanded = isQuantized(tensor);
    expect(got.dtype).toBe(isExpanded ? SAFETENSORS_NAMES[wanted] : tensor.dtype);
    expect(got.shape).toEqual(tensor.shape);
    const bytes = isExpanded ? expected(tensor, wanted) : tensor.bytes;
    sameBytes(got.bytes, bytes, tensor.name);
  }
}

type Options = QuantizeOptions & Pick<QuantizeModelOptions, "format">;

const CODINGS: readonly Options[] = [
  { quantType: "nf4" },
  { quantType: "nf4", doubleQuant: false, blockSize: 32, quantStorage: "uint8" },
  { quantType: "nf4", mode: "cuda", blockSize: 128 },
  { quantType: "fp4" },
  { quantType: "fp4", doubleQuant: false, blockSize: 4096 },
  { quantType: "llm-int8" },
  { quantType: "nf4", format: "native" },
  { quantType: "fp4", format: "native", doubleQuant: false },
  { quantType: "llm-int8", format: "native" },
  { quantType: "af4" },
  { quantType: "af4", doubleQuant: false, blockSize: 2048 },
  { quantType: "dynamic8" },
  { quantType: "dynamic8", blockSize: 7 },
  { quantType: "int4" },
  { quantType: "int4", symmetric: true, doubleQuant: false, blockSize: 50 },
  { quantType: "int4", granularity: "channel" },
  { quantType: "uint4", granularity: "tensor" },
  { quantType: "uint4", blockSize: 4096 },
  { quantType: "int8", doubleQuant: true, blockSize: 33 },
  { quantType: "int8", granularity: "channel", axis: 1, symmetric: true },
  { quantType: "uint8" },
  { quantType: "uint8", granularity: "channel", axis: 0 },
  { quantType: "mxfp4" },
  { quantType: "mxfp8" },
  { quantType: "mxfp8-e5m2" },
  { quantType: "nvfp4" },
  { quantType: "fp8-e4m3" },
  { quantType: "fp8-e5m2", granularity: "block", blockSize: 33 },
  { quantType: "fp8-e4m3", granularity: "channel", axis: 1 },
];

function withRules(options: Options): QuantizeModelOptions {
  const { quantType = "nf4" } = options;
  if (quantType === "llm-int8") return { ...options, exclude: [CUBE] } as QuantizeModelOptions;
  return { ...options, rules: [{ pattern: CUBE, action: quantType }] } as QuantizeModelOptions;
}

/** LLM.int8 needs two dimensions. */
function tensorsFor({ quantType }: Options, dtype: "F32" | "F16" | "BF16"): TestTensor[] {
  return model(dtype).filter(({ name }) => quantType !== "llm-int8" || name !== CUBE);
}

describe("what quantize wrote comes back as dequantize(quantize()) has it:", () => {
  it.each(CODINGS)("%o", async (options) => {
    const { format: _, ...coding } = options;
    for (const source of SOURCES) {
      const tensors = tensorsFor(options, source);
      const config = { torch_dtype: FLOAT_NAMES[source] };
      const from = await quantized(written(tensors, config), withRules(options));
      const expected = (tensor: TestTensor, as: FloatDtype) => inMemory(tensor, coding, as);
      for (const dtype of source === "BF16" ? DTYPES : [undefined]) {
        const more = dtype === undefined ? {} : { dtype };
        expectExpanded(await expand(from, more), tensors, expected, dtype);
      }
      if (source !== "BF16") continue;
      const shards = await expand(torn(from), { maxShardSize: 9000 });
      expectExpanded(shards, tensors, expected, undefined);
      const slow = await expand(from, { dtype: "float16", kernels: "reference" });
      expectExpanded(slow, tensors, expected, "float16");
    }
  });

  it("in shards of its own, each with its own metadata", async () => {
    const tensors = model("F16");
    const options = { quantType: "int4" } as const;
    const from = await quantized(written(tensors), {
      ...withRules(options),
      maxShardSize: 4000,
    });
    expectExpanded(
      await expand(from),
      tensors,
      (tensor, dtype) => inMemory(tensor, options, dtype),
      undefined,
    );
  });

  it("with several quant types and layouts in one checkpoint", async () => {
    const tensors = model("BF16");
    const types = ["nf4", "llm-int8", "int8", "mxfp4"] as const;
    const rules = [
      { pattern: "layers.0.fc2.weight", action: "llm-int8" as const },
      { pattern: "layers.1.fc1.weight", action: "int8" as const },
      { pattern: CUBE, action: "mxfp4" as const },
    ];
    const from = await quantized(written(tensors, { dtype: "bfloat16" }), { rules });
    const typeOf = ({ name }: TestTensor) => {
      const action = rules.find(({ pattern }) => pattern === name)?.action;
      return types.find((type) => type === action) ?? "nf4";
    };
    const expected = (tensor: TestTensor, dtype: FloatDtype) =>
      inMemory(tensor, { quantType: typeOf(tensor) }, dtype);
    expectExpanded(await expand(from), tensors, expected, undefined);
    expectExpanded(await expand(torn(from)), tensors, expected, undefined);
  });
});

describe("GPT-2's Conv1D", () => {
  const config = { model_type: "gpt2", architectures: ["GPT2LMHeadModel"], dtype: "float32" };
  const [rows, columns] = [96, 40];
  const name = "transformer.h.0.attn.c_attn.weight";
  const source = [weights(name, [rows, columns], "F32", { seed: 9 }), opaque("b", "U8", [1])];

  function turned(tensor: TestTensor): TestTensor {
    const [from, to] = tensor.shape as readonly [number, number];
    const values = valuesOf(tensor);
    const result = Float32Array.from(
      values,
      (_, i) => values[(i % from) * to + Math.floor(i / from)] as number,
    );
    return { ...tensor, shape: [to, from], bytes: new Uint8Array(result.buffer) };
  }

  it.each([
    { quantType: "nf4" },
    { quantType: "llm-int8" },
    { quantType: "nf4", format: "native" },
    { quantType: "int4" },
    { quantType: "int8", granularity: "channel" },
    { quantType: "nvfp4" },
    { quantType: "dynamic8", blockSize: 64 },
  ] as const)("goes back to [in, out]: %o", async (options) => {
    const from = await quantized(written(source, config), options);
    const { format: _, ...coding } = { format: undefined, ...options };
    const quantizedForm = turned(source[0] as TestTensor);
    const restored = {
      ...quantizedForm,
      bytes: inMemory(quantizedForm, coding, "float32") as Uint8Array<ArrayBuffer>,
    };
    for (const folder of [from, torn(from, 2)]) {
      const stored = await expand(folder);
      expect(stored.get(name).shape).toEqual([rows, columns]);
      sameBytes(stored.get(name).bytes, turned(restored).bytes, name);
    }
  });
});

describe("compressed-tensors", () => {
  /** (code − zero point) · scale from the words of the file, one by one. */
  function decoded(from: Stored, module: string, bits: 4 | 8, dtype: FloatDtype): Uint8Array {
    const ints = (part: string) =>
      new Uint32Array(from.get(`${module}.${part}`).bytes.slice().buffer);
    const [rows, , columns] = ints("weight_shape") as unknown as [number, number, number];
    const packed = from.get(`${module}.weight_packed`);
    const words = ints("weight_packed");
    const scale = from.get(`${module}.weight_scale`);
    const scales = valuesOf(scale);
    const groups = scale.shape[1] as number;
    const hasZero = from.tensors.some(({ name }) => name === `${module}.weight_zero_point`);
    const zeroWords = hasZero ? ints("weight_zero_point") : undefined;
    const perWord = 32 / bits;
    const at = (word: number, index: number) =>
      ((word >>> (bits * index)) & (2 ** bits - 1)) - 2 ** (bits - 1);
    const values = new Float32Array(rows * columns);
    for (let i = 0; i < values.length; i++) {
      const row = Math.floor(i / columns);
      const column = i % columns;
      const group = Math.floor((column * groups) / columns);
      const rowWords = packed.shape[1] as number;
      const code = at(
        words[row * rowWords + Math.floor(column / perWord)] as number,
        column % perWord,
      );
      const zero =
        zeroWords === undefined
          ? 0
          : at(zeroWords[Math.floor(row / perWord) * groups + group] as number, row % perWord);
      values[i] = (code - zero) * (scales[row * groups + group] as number);
    }
    if (dtype === "float32") return new Uint8Array(values.buffer);
    const halves = Uint16Array.from(values, dtype === "float16" ? f32ToF16 : f32ToBf16);
    return new Uint8Array(halves.buffer);
  }

  it.each([
    { quantType: "int4", blockSize: 32 },
    { quantType: "int4", blockSize: 64, symmetric: false },
    { quantType: "int4", granularity: "channel" },
    { quantType: "int8", blockSize: 64 },
    { quantType: "int8", granularity: "channel", symmetric: false },
  ] as const)("is expanded from its words: %o", async (coding) => {
    const bits = coding.quantType === "int4" ? 4 : 8;
    for (const source of SOURCES) {
      const tensors = model(source, false);
      const from = await quantized(written(tensors), { ...coding, format: "compressed-tensors" });
      const stored = readModel(from);
      const expected = ({ name }: TestTensor, dtype: FloatDtype) =>
        decoded(stored, name.slice(0, -".weight".length), bits, dtype);
      for (const dtype of DTYPES) {
        const more = dtype === undefined ? {} : { dtype };
        expectExpanded(await expand(from, more), tensors, expected, dtype);
        expectExpanded(await expand(torn(from), more), tensors, expected, dtype);
      }
    }
  });

  it("is expanded with int4 and int8 in one checkpoint", async () => {
    const tensors = model("BF16", false);
    const from = await quantized(written(tensors), {
      quantType: "int4",
      blockSize: 32,
      format: "compressed-tensors",
      rules: [{ pattern: "layers.0.fc1.weight", action: "int8" }],
    });
    const stored = readModel(from);
    const expected = ({ name }: TestTensor, dtype: FloatDtype) =>
      decoded(stored, name.slice(0, -".weight".length), name.includes("fc1") ? 8 : 4, dtype);
    expectExpanded(await expand(from), tensors, expected, undefined);
  });

  const golden = packedVectors();

  function configOf(vectors: readonly PackedVector[]): string {
    const groups = vectors.map(
      ({ id, weights: scheme }) => [`group_${id}`, { targets: [id], weights: scheme }] as const,
    );
    const section = {
      quant_method: "compressed-tensors",
      format: "pack-quantized",
      config_groups: Object.fromEntries(groups),
    };
    return JSON.stringify({ quantization_config: section });
  }

  const parts = golden.flatMap(({ id, stored, tensor }) =>
    Object.keys(stored).map((part) => ({ ...tensor(part), name: `${id}.${part}` })),
  );

  it.each([
    ["with config.json", configOf(golden)],
    ["without", undefined],
  ] as const)("expands all golden linears in one checkpoint, %s", async (_, config) => {
    const folder = writeStored(parts, { format: "pt" }, config);
    for (const from of [folder, torn(folder)]) {
      const stored = await expand(from);
      expect(stored.tensors).toHaveLength(golden.length);
      for (const { id, tensor } of golden) {
        const expected = tensor("decompressed");
        const got = stored.get(`${id}.weight`);
        expect([got.dtype, got.shape]).toEqual([expected.dtype, expected.shape]);
        sameBytes(got.bytes, expected.bytes, id);
      }
    }
  });
});

describe("golden checkpoints of bitsandbytes", () => {
  const NAMES = [
    "llama_tiny_nf4",
    "llama_tiny_nf4_dq",
    "llama_tiny_nf4_dq_cpu_native",
    "llama_tiny_fp4",
  ];
  const floats = ({ bytes }: TestTensor) => new Float32Array(bytes.slice().buffer);

  it.each(NAMES)("%s is expanded as in memory", async (name) => {
    const folder = goldenFolder(name);
    const golden = readModel(folder);
    const states = golden.tensors.filter((tensor) => tensor.name.includes(".quant_state."));
    expect(states).toHaveLength(14);
    for (const dtype of DTYPES) {
      const stored = await expand(folder, dtype === undefined ? {} : { dtype });
      expect(stored.tensors).toHaveLength(21);
      for (const state of states) {
        const weight = state.name.slice(0, state.name.indexOf(".quant_state."));
        const said = JSON.parse(Buffer.from(state.bytes).toString());
        const absmax = golden.get(`${weight}.absmax`);
        const isNested = said.nested_blocksize !== undefined;
        const values = dequantize(
          {
            quantType: said.quant_type,
            mode: "torch",
            blockSize: said.blocksize,
            quantStorage: "uint8",
            shape: said.shape,
            dtype: said.dtype,
            codes: golden.get(weight).bytes,
            absmax: isNested ? absmax.bytes : floats(absmax),
            ...(isNested
              ? {
                  nested: {
                    blockSize: said.nested_blocksize,
                    offset: Math.fround(said.nested_offset),
                    absmax: floats(golden.get(`${weight}.nested_absmax`)),
                    levels: floats(golden.get(`${weight}.nested_quant_map`)),
                  },
                }
              : {}),
            kernels: { name: "wasm", simd: "baseline", reason: "" },
          },
          { dtype: dtype ?? said.dtype },
        );
        const got = stored.get(weight);
        expect(got.dtype).toBe(SAFETENSORS_NAMES[dtype ?? (said.dtype as FloatDtype)]);
        expect(got.shape).toEqual(said.shape);
        sameBytes(got.bytes, new Uint8Array(values.buffer as ArrayBuffer), weight);
      }
      expectRest(stored, golden);
    }
  });

  it("llama_tiny_int8 is expanded as in memory, in the dtype of config.json", async () => {
    const folder = goldenFolder("llama_tiny_int8");
    const golden = readModel(folder);
    const own = FLOAT_NAMES[golden.get("model.norm.weight").dtype];
    expect(configIn(folder).dtype ?? configIn(folder).torch_dtype).toBe(own);
    for (const dtype of DTYPES) {
      const stored = await expand(folder, dtype === undefined ? {} : { dtype });
      for (const { name, shape, bytes } of golden.tensors.filter((each) => each.dtype === "I8")) {
        const record = {
          quantType: "llm-int8" as const,
          shape,
          dtype: "float16" as const,
          codes: new Int8Array(bytes),
          scb: floats(golden.get(name.replace(/weight$/, "SCB"))),
          kernels: { name: "wasm" as const, simd: "baseline" as const, reason: "" },
        };
        const values = dequantize(record, { dtype: dtype ?? (own as FloatDtype) });
        sameBytes(stored.get(name).bytes, new Uint8Array(values.buffer as ArrayBuffer), name);
      }
      expectRest(stored, golden);
    }
  });

  it("LLM.int8 without a config takes the dtype of the floats beside it, or float16", async () => {
    const golden = readModel(goldenFolder("llama_tiny_int8"));
    const name = "model.layers.0.mlp.up_proj.weight";
    const beside = await expand(writeStored(golden.tensors));
    expect(beside.get(name).dtype).toBe("BF16");
    const alone = golden.tensors.filter((each) =>
      each.name.startsWith(name.replace(/weight$/, "")),
    );
    expect((await expand(writeStored(alone))).get(name).dtype).toBe("F16");
  });

  it("other storage dtypes are the same bytes", async () => {
    const golden = readModel(goldenFolder("llama_tiny_nf4"));
    const expected = await expand(goldenFolder("llama_tiny_nf4"));
    for (const [dtype, itemBytes] of [
      ["F16", 2],
      ["BF16", 2],
      ["F32", 4],
      ["F64", 8],
      ["I8", 1],
    ] as const) {
      const tensors = golden.tensors.map((tensor) =>
        golden.tensors.some(({ name }) => name === `${tensor.name}.absmax`)
          ? { ...tensor, dtype, shape: [tensor.bytes.byteLength / itemBytes, 1] }
          : tensor,
      );
      const stored = await expand(writeStored(tensors));
      for (const { name, bytes } of expected.tensors)
        sameBytes(stored.get(name).bytes, bytes, name);
    }
  });

  /** Tensors that were no part of a weight are as they were. */
  function expectRest(stored: Stored, golden: Stored): void {
    for (const tensor of golden.tensors) {
      if (!/(layernorm|model\.norm|embed_tokens|lm_head)\.weight$/.test(tensor.name)) continue;
      expect(stored.get(tensor.name)).toMatchObject({ dtype: tensor.dtype, shape: tensor.shape });
      sameBytes(stored.get(tensor.name).bytes, tensor.bytes, tensor.name);
    }
  }
});
