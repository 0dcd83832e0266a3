/** Our own form: what `quantize` makes in memory, in files and in streams, for every quant type. */

import { describe, expect, it } from "vitest";
import type { CodingOptions } from "../../src/index.ts";
import { sameBytes } from "../kernels/calls.ts";
import { metadataOf, nativeParts, recordOf, toFile, toStream } from "./native-parts.ts";
import {
  fileInOrder,
  floatBytesAs,
  normalFloats,
  opaque,
  type ReadFile,
  type TestTensor,
  weights,
} from "./safetensors-files.ts";

const CODINGS: readonly CodingOptions[] = [
  { quantType: "int8" },
  { quantType: "int8", granularity: "channel", axis: 0, symmetric: true },
  { quantType: "int8", blockSize: 33, doubleQuant: true },
  { quantType: "int4" },
  { quantType: "int4", blockSize: 100, doubleQuant: false, symmetric: true },
  { quantType: "int4", granularity: "tensor" },
  { quantType: "uint8", granularity: "tensor" },
  { quantType: "uint8", blockSize: 32, doubleQuant: true },
  { quantType: "uint4", granularity: "channel", axis: 1 },
  { quantType: "uint4", granularity: "channel", axis: -1 },
  { quantType: "mxfp4" },
  { quantType: "mxfp8" },
  { quantType: "mxfp8-e5m2" },
  { quantType: "nvfp4" },
  { quantType: "fp8-e4m3" },
  { quantType: "fp8-e5m2", granularity: "block", blockSize: 32 },
  { quantType: "fp8-e4m3", granularity: "channel", axis: 1 },
  { quantType: "af4" },
  { quantType: "af4", doubleQuant: false, blockSize: 32 },
  { quantType: "dynamic8", blockSize: 100 },
];

/** What other forms exist for; ours can hold them, too. */
const FOREIGN: readonly CodingOptions[] = [
  { quantType: "nf4" },
  { quantType: "fp4", doubleQuant: false },
  { quantType: "nf4", mode: "cuda", blockSize: 128 },
  { quantType: "llm-int8" },
];

/** Linear layers of odd shapes in every dtype, and tensors that stay as they are. */
const tensors: readonly TestTensor[] = [
  opaque("mask", "BOOL", [3]),
  weights("layers.0.fc1.weight", [33, 77], "F32", { seed: 1 }),
  weights("layers.0.fc1.bias", [33], "BF16", { seed: 2 }),
  weights("layers.0.fc2.weight", [12, 40], "F16", { seed: 3 }),
  opaque("ids", "I64", [2]),
  weights("layers.1.fc1.weight", [7, 131], "BF16", { seed: 4 }),
  weights("layers.1.fc2.weight", [1, 1], "F32", { seed: 5 }),
  opaque("layers.2.fc1.weight", "F32", [0, 64]),
  weights("layers.2.fc2.weight", [64, 128], "BF16", { seed: 6 }),
];
const source = fileInOrder(tensors);

const isLinear = ({ name, shape }: TestTensor) => name.endsWith(".weight") && !shape.includes(0);

/** Every tensor of the file is what `quantize` makes of the source, and none is missing. */
function expectNative(file: ReadFile, coding: CodingOptions, from = tensors): void {
  const names: string[] = [];
  for (const tensor of from) {
    if (!isLinear(tensor)) {
      expect(file.get(tensor.name)).toMatchObject(tensor);
      names.push(tensor.name);
      continue;
    }
    for (const [name, [dtype, shape, bytes]] of nativeParts(
      tensor.name,
      recordOf(tensor, coding),
    )) {
      const got = file.get(name);
      expect(`${name} ${got.dtype} [${got.shape}]`).toBe(`${name} ${dtype} [${shape}]`);
      sameBytes(got.bytes, bytes, name);
      names.push(name);
    }
  }
  expect(file.tensors.map(({ name }) => name).sort()).toEqual(names.sort());
}

describe.each([...CODINGS, ...FOREIGN])("%o", (coding) => {
  const options = { ...coding, format: "native" } as const;

  it("is stored as quantize() makes it, in a file and in a stream", async () => {
    const { file, worst } = await toFile(source, options);
    expectNative(file, coding);
    expect(worst).toMatchObject({ error: { relativeRms: expect.any(Number) } });
    for (const kernels of ["wasm", "reference"] as const) {
      expectNative(await toStream(source, { ...options, kernels }, 1001), coding);
    }
  });

  it("tells in its header how quantize() made it", async () => {
    const { file } = await toFile(source, options);
    const { version, codings, tensors: described } = metadataOf(file);
    expect(file.metadata?.format).toBe("pt");
    expect(version).toBe(1);
    expect(codings).toHaveLength(1);
    expect(codings[0]).toMatchObject(coding);
    expect(Object.keys(described).sort()).toEqual(
      tensors
        .filter(isLinear)
        .map(({ name }) => name)
        .sort(),
    );
    const dtypes = { F32: "float32", F16: "float16", BF16: "bfloat16" };
    for (const tensor of tensors.filter(isLinear)) {
      const { coding: index, dtype, shape } = described[tensor.name] ?? {};
      expect(shape).toEqual(tensor.shape);
      expect(dtype).toBe(dtypes[tensor.dtype as "F32"]);
      // What is told is enough to make the same bytes again.
      const again = nativeParts(tensor.name, recordOf(tensor, codings[index as number] ?? {}));
      for (const [name, [, , bytes]] of again) sameBytes(file.get(name).bytes, bytes, name);
    }
  });
});

describe("several quant types", () => {
  it("are told apart in the header, and stored each in its form", async () => {
    const { file } = await toFile(source, {
      quantType: "int8",
      granularity: "channel",
      rules: [
        { pattern: "layers.0.fc2.*", action: "nvfp4" },
        { pattern: "layers.1.fc1.*", action: "nf4" },
        { pattern: "layers.2.fc2.*", action: "int4" },
      ],
    });
    const { codings, tensors: described } = metadataOf(file);
    const of = (name: string) => codings[described[name]?.coding as number];
    expect(of("layers.0.fc1.weight")).toMatchObject({ quantType: "int8", granularity: "channel" });
    expect(of("layers.0.fc2.weight")).toEqual({
      quantType: "nvfp4",
      granularity: "block",
      blockSize: 16,
    });
    // What is asked of the main type holds for the others where it means something.
    expect(of("layers.2.fc2.weight")).toMatchObject({ quantType: "int4", granularity: "channel" });
    // nf4 has a form of bitsandbytes, which needs no word of ours.
    expect(described["layers.1.fc1.weight"]).toBeUndefined();
    expect(file.get("layers.1.fc1.weight.quant_state.bitsandbytes__nf4").dtype).toBe("U8");
  });

  it("keep names with quotes and other letters", async () => {
    const name = 'layers."0\\".模型.fc1.weight';
    const odd = fileInOrder([weights(name, [4, 64], "F32", { seed: 8 })]);
    const { file } = await toFile(odd, { quantType: "int8" });
    expect(Object.keys(metadataOf(file).tensors)).toEqual([name]);
    expect(file.get(`${name}.scale`).shape).toEqual([4, 1]);
  });

  it("cannot take a name that another tensor has", async () => {
    const taken = fileInOrder([
      weights("layers.0.fc1.weight", [4, 64], "F32", { seed: 8 }),
      opaque("layers.0.fc1.weight.zero_point", "U8", [3]),
    ]);
    await expect(toFile(taken, { quantType: "int8" })).rejects.toThrow(
      /"layers\.0\.fc1\.weight\.zero_point" would be written twice/,
    );
    await expect(toFile(taken, { quantType: "mxfp4" })).resolves.toBeDefined();
  });
});

describe("a Conv1D of GPT-2", () => {
  const model = { modelType: "gpt2", architectures: ["GPT2LMHeadModel"] };
  const name = "h.0.mlp.c_fc.weight";
  const [inputs, outputs] = [48, 70];
  const values = normalFloats(inputs * outputs, 9);
  const stored = {
    name,
    dtype: "F32",
    shape: [inputs, outputs],
    bytes: floatBytesAs("F32", values),
  };
  const turned = values.map((_, i) => values[(i % inputs) * outputs + Math.floor(i / inputs)] ?? 0);
  const asModuleSeesIt = {
    ...stored,
    shape: [outputs, inputs],
    bytes: floatBytesAs("F32", turned),
  };

  it.each([
    { quantType: "int4", blockSize: 33 },
    { quantType: "nvfp4" },
    { quantType: "int8", granularity: "channel", axis: 1 },
  ] as const)("is turned before it is coded, in a stream too: %o", async (coding) => {
    const file = await toStream(fileInOrder([stored]), { ...coding, model });
    expectNative(file, coding, [asModuleSeesIt]);
    expect(metadataOf(file).tensors[name]?.shape).toEqual([outputs, inputs]);
  });
});
