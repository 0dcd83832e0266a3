/** Quantized checkpoints that lie: each is refused with its file and tensor, and nothing is left. */

import { truncateSync } from "node:fs";
import { basename, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { FormatError, QuantwiseError } from "../../src/index.ts";
import { dequantizeModel, quantizeModel } from "../../src/node/index.ts";
import { goldenFolder, namesIn, temporaryFolder } from "../cli/quantwise.ts";
import { writeModel } from "../node/models.ts";
import { packedModel, packedVectors } from "./packed-vectors.ts";
import { opaque, type TestTensor, weights } from "./safetensors-files.ts";
import { readModel, type Stored, writeStored } from "./stored-models.ts";

type Tensors = readonly TestTensor[];

/** What is refused: the error's tensor, and what its message says. */
type Refusal = readonly [tensor: string | RegExp | undefined, said: RegExp];

async function failure(folder: string): Promise<unknown> {
  const out = temporaryFolder();
  let error: unknown;
  await dequantizeModel(folder, join(out, "out")).catch((caught: unknown) => {
    error = caught;
  });
  expect(namesIn(out)).toEqual([]);
  return error;
}

async function expectRefused(
  tensors: Tensors,
  [tensor, said]: Refusal,
  metadata?: Readonly<Record<string, string>>,
  config?: string,
): Promise<void> {
  const folder = writeStored(tensors, metadata, config);
  const before = process.memoryUsage().arrayBuffers;
  const error = await failure(folder);
  // What was allocated is counted until it is collected: no size is believed before it is checked.
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64e6);
  expect(error).toBeInstanceOf(FormatError);
  const { message, file, tensor: named } = error as FormatError;
  expect(message).toMatch(said);
  expect(basename(file ?? "")).toBe("model.safetensors");
  if (tensor instanceof RegExp) expect(named).toMatch(tensor);
  else expect(named).toBe(tensor);
}

const changed = (tensors: Tensors, name: string, change: Partial<TestTensor>): Tensors => {
  expect(tensors.map((tensor) => tensor.name)).toContain(name);
  return tensors.map((tensor) => (tensor.name === name ? { ...tensor, ...change } : tensor));
};

const without = (tensors: Tensors, name: string): Tensors => {
  expect(tensors.map((tensor) => tensor.name)).toContain(name);
  return tensors.filter((tensor) => tensor.name !== name);
};

const bytes = (length: number) => new Uint8Array(length);

describe("bitsandbytes in 4 bits", () => {
  const W = "model.layers.0.mlp.up_proj.weight";
  const STATE = `${W}.quant_state.bitsandbytes__nf4`;
  const golden = readModel(goldenFolder("llama_tiny_nf4_dq"));
  // One quantized weight and a plain one: [128, 64], 128 blocks of 64.
  const model = golden.tensors.filter(
    ({ name }) => name.startsWith(W) || name === "lm_head.weight",
  );
  const state = JSON.parse(Buffer.from(golden.get(STATE).bytes).toString());

  function withState(text: string | object): Tensors {
    const json = typeof text === "string" ? text : JSON.stringify({ ...state, ...text });
    const own = Uint8Array.from(Buffer.from(json));
    return changed(model, STATE, { shape: [own.byteLength], bytes: own });
  }

  it("is whole to begin with", async () => {
    expect(await failureOf(model)).toBeUndefined();
  });

  it.each<readonly [string, Tensors, Refusal]>([
    ["no codes", without(model, W), [W, new RegExp(`part "${W}" is missing`)]],
    ["no absmax", without(model, `${W}.absmax`), [W, /part "[\w.]+\.absmax" is missing/]],
    ["no quant_map", without(model, `${W}.quant_map`), [W, /quant_map" is missing/]],
    ["no nested_absmax", without(model, `${W}.nested_absmax`), [W, /nested_absmax" is missing/]],
    ["no nested map", without(model, `${W}.nested_quant_map`), [W, /nested_quant_map" is missing/]],
    [
      "no state",
      without(model, STATE),
      [/^model\.layers\.0\.mlp\.up_proj\.weight\.\w+$/, /other parts are missing/],
    ],
    [
      "absmax of floats",
      changed(model, `${W}.absmax`, { dtype: "F32", shape: [128], bytes: bytes(512) }),
      [W, /absmax" is F32, expected U8/],
    ],
    [
      "absmax of another length",
      changed(model, `${W}.absmax`, { shape: [127], bytes: bytes(127) }),
      [W, /absmax" has 127 elements, and 128 fit/],
    ],
    [
      "nested absmax of another length",
      changed(model, `${W}.nested_absmax`, { shape: [2], bytes: bytes(8) }),
      [W, /nested_absmax" has 2 elements, and 1 fit/],
    ],
    [
      "nested absmax of bytes",
      changed(model, `${W}.nested_absmax`, { dtype: "U8", shape: [4], bytes: bytes(4) }),
      [W, /nested_absmax" is U8, expected F32/],
    ],
    [
      "a quant map in float16",
      changed(model, `${W}.quant_map`, { dtype: "F16", shape: [32], bytes: bytes(64) }),
      [W, /quant_map" is F16, expected F32/],
    ],
    [
      "a quant map of zeros",
      changed(model, `${W}.quant_map`, { bytes: bytes(64) }),
      [STATE, /not the table of nf4/],
    ],
    [
      "a short nested map",
      changed(model, `${W}.nested_quant_map`, { shape: [255], bytes: bytes(1020) }),
      [W, /nested_quant_map" has 255 elements, and 256 fit/],
    ],
    [
      "codes of another length",
      changed(model, W, { shape: [4095, 1], bytes: bytes(4095) }),
      [STATE, /needs 4096 bytes of codes, and there are 4095/],
    ],
    [
      "codes of another dtype",
      changed(model, W, { dtype: "I32", shape: [1024, 1] }),
      [W, /is I32, expected U8/],
    ],
    ["JSON cut short", withState('{"quant_type": "nf4"'), [STATE, /its JSON text: byte/]],
    ["no object", withState("[]"), [STATE, /expected an object/]],
    ["deep JSON", withState("[".repeat(500) + "]".repeat(500)), [STATE, /its JSON text/]],
    [
      "deep JSON in a member",
      withState(`{"a":${"[".repeat(5000)}${"]".repeat(5000)}}`),
      [STATE, /its JSON text/],
    ],
    ["a key twice", withState('{"shape":[1],"shape":[2]}'), [STATE, /shape/]],
    ["a long text", withState(" ".repeat(70_000) + JSON.stringify(state)), [STATE, /too long/]],
    [
      "a huge block size",
      withState({ blocksize: 2 ** 40 }),
      [STATE, /blockSize: expected one of 32/],
    ],
    ["block size 0", withState({ blocksize: 0 }), [STATE, /blockSize: expected one of 32/]],
    ["a block size as text", withState({ blocksize: "64" }), [STATE, /"blocksize" a number/]],
    [
      "another block size",
      withState({ blocksize: 32 }),
      [W, /absmax" has 128 elements, and 256 fit/],
    ],
    ["another quant type", withState({ quant_type: "fp4" }), [STATE, /"quant_type" must be nf4/]],
    [
      "a quant type of ours",
      withState({ quant_type: "int8" }),
      [STATE, /"quant_type" must be nf4/],
    ],
    ["no quant type", withState({ quant_type: undefined }), [STATE, /"quant_type" must be nf4/]],
    ["no block size", withState({ blocksize: undefined }), [STATE, /"blocksize" a number/]],
    ["a negative shape", withState({ shape: [-128, -64] }), [STATE, /"shape" a list of sizes/]],
    ["a fraction", withState({ shape: [128, 64.5] }), [STATE, /"shape" a list of sizes/]],
    ["a huge shape", withState({ shape: [2 ** 26, 2 ** 20] }), [STATE, /needs \d+ bytes of codes/]],
    ["a shape beyond numbers", withState({ shape: [2 ** 40, 2 ** 40] }), [STATE, /2\^53/]],
    ["no shape", withState({ shape: undefined }), [STATE, /"shape" a list of sizes/]],
    ["a shape of text", withState({ shape: ["128", "64"] }), [STATE, /"shape" a list of sizes/]],
    ["another shape", withState({ shape: [128, 65] }), [STATE, /needs 4160 bytes/]],
    ["an unknown dtype", withState({ dtype: "int8" }), [STATE, /"dtype" must be/]],
    [
      "a wrong nested block size",
      withState({ nested_blocksize: 64 }),
      [W, /nested_absmax" has 1 elements, and 2 fit/],
    ],
    [
      "a huge nested block size",
      withState({ nested_blocksize: 2 ** 60 }),
      [STATE, /"nested_blocksize" must be/],
    ],
    [
      "a negative nested block size",
      withState({ nested_blocksize: -256 }),
      [STATE, /"nested_blocksize" must be/],
    ],
    [
      "no nested block size",
      withState({ nested_blocksize: undefined }),
      [W, /absmax" is U8, expected F32/],
    ],
    ["no offset", withState({ nested_offset: undefined }), [STATE, /"nested_offset" must be/]],
    ["an offset of text", withState({ nested_offset: "0.05" }), [STATE, /"nested_offset" must be/]],
  ])("%s", async (_, tensors, refusal) => {
    await expectRefused(tensors, refusal);
  });

  it("two states for one weight", async () => {
    const text = Buffer.from(golden.get(STATE).bytes).toString().replace("nf4", "fp4");
    const own = Uint8Array.from(Buffer.from(text));
    const other = { ...golden.get(STATE), name: STATE.replace("nf4", "fp4"), bytes: own };
    await expectRefused([...model, other], [`${W}`, /two quantized weights claim it/]);
  });

  it("a state of a type that nobody knows", async () => {
    const other = { ...golden.get(STATE), name: STATE.replace("nf4", "int3") };
    await expectRefused(
      [...without(model, STATE), other],
      [/^model\.layers\.0\.mlp\.up_proj\.weight\./, /other parts are missing, or whose form/],
    );
  });

  it("bytes that have lost all their parts", async () => {
    const lost = { ...golden.get(W), name: "model.layers.9.mlp.up_proj.weight" };
    await expectRefused([...model, lost], [lost.name, /is U8, as quantized weights are/]);
  });

  it("a file cut short", async () => {
    const folder = writeStored(model);
    const path = join(folder, "model.safetensors");
    truncateSync(path, 9000);
    const error = (await failure(folder)) as FormatError;
    expect(error).toBeInstanceOf(FormatError);
    expect(basename(error.file ?? "")).toBe("model.safetensors");
  });
});

async function failureOf(tensors: Tensors): Promise<unknown> {
  const folder = writeStored(tensors);
  const out = join(temporaryFolder(), "out");
  return dequantizeModel(folder, out).then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe("bitsandbytes in 8 bits", () => {
  const P = "model.layers.0.mlp.up_proj.";
  const golden = readModel(goldenFolder("llama_tiny_int8"));
  const model = golden.tensors.filter(
    ({ name }) => name.startsWith(P) || name === "lm_head.weight",
  );
  const W = `${P}weight`;
  const rows = golden.get(W).shape[0] as number;

  it.each<readonly [string, Tensors, Refusal]>([
    ["no SCB", without(model, `${P}SCB`), [`${P}weight_format`, /other parts are missing/]],
    ["no codes", without(model, W), [`${P}SCB`, /other parts are missing/]],
    [
      "SCB of another length",
      changed(model, `${P}SCB`, { shape: [rows - 1], bytes: bytes(4 * (rows - 1)) }),
      [W, /SCB" has 127 elements, and 128 fit/],
    ],
    [
      "SCB in float16",
      changed(model, `${P}SCB`, { dtype: "F16", shape: [rows], bytes: bytes(2 * rows) }),
      [W, /SCB" is F16, expected F32/],
    ],
    [
      "a format of old",
      changed(model, `${P}weight_format`, { bytes: Uint8Array.of(1) }),
      [W, /weight_format is 1; only 0/],
    ],
    [
      "a format of two bytes",
      changed(model, `${P}weight_format`, { shape: [2], bytes: bytes(2) }),
      [W, /weight_format" has 2 elements, and 1 fit/],
    ],
    [
      "codes of rank 3",
      changed(model, W, { shape: [rows, 8, 8] }),
      [`${P}SCB`, /other parts are missing/],
    ],
    [
      "codes that have lost all",
      [...model, { ...golden.get(W), name: "model.layers.9.mlp.up_proj.weight" }],
      ["model.layers.9.mlp.up_proj.weight", /is I8, as quantized weights are/],
    ],
  ])("%s", async (_, tensors, refusal) => {
    await expectRefused(tensors, refusal);
  });
});

describe("compressed-tensors", () => {
  const golden = packedVectors().find(({ id }) => id === "int4_asym_group32") as ReturnType<
    typeof packedVectors
  >[number];
  const [rows, columns] = golden.shape;
  // [20, 96]: 12 words a row, 3 groups, 3 rows of packed zero points.
  const parts = Object.keys(golden.stored).map((name) => ({
    ...golden.tensor(name),
    name: `proj.${name}`,
  }));
  const model = [...parts, weights("norm.weight", [8])];
  const W = "proj.weight";
  const shapeOf = (...sizes: readonly bigint[]) => ({
    shape: [sizes.length],
    bytes: new Uint8Array(BigInt64Array.from(sizes).buffer),
  });
  const huge = [BigInt(rows), 1n << 40n] as const;
  const CONFIG = JSON.stringify({
    quantization_config: {
      quant_method: "compressed-tensors",
      config_groups: {
        group_0: { targets: ["Linear"], weights: { num_bits: 4, symmetric: false } },
      },
    },
  });

  it.each<readonly [string, Tensors, Refusal]>([
    [
      "no words",
      without(model, "proj.weight_packed"),
      [/^proj\.weight_/, /other parts are missing/],
    ],
    ["no scale", without(model, "proj.weight_scale"), [W, /weight_scale" is missing/]],
    ["no shape", without(model, "proj.weight_shape"), [W, /weight_shape" is missing/]],
    [
      "no zero points, which config.json promises",
      without(model, "proj.weight_zero_point"),
      [W, /weight_zero_point" is missing/],
    ],
    [
      "a huge shape",
      changed(model, "proj.weight_shape", shapeOf(...huge)),
      [W, /do not make \[20, 12\] words/],
    ],
    [
      "a shape beyond numbers",
      changed(model, "proj.weight_shape", shapeOf(1n << 62n, 96n)),
      [W, /weight_shape is \[/],
    ],
    [
      "a negative shape",
      changed(model, "proj.weight_shape", shapeOf(-20n, 96n)),
      [W, /weight_shape is \[-20, 96\]/],
    ],
    [
      "another shape",
      changed(model, "proj.weight_shape", shapeOf(20n, 64n)),
      [W, /\[20, 64\] do not make \[20, 12\]/],
    ],
    [
      "a shape of rank 3",
      changed(model, "proj.weight_shape", shapeOf(20n, 96n, 1n)),
      [W, /has 24 bytes, and 16 fit/],
    ],
    [
      "a shape of floats",
      changed(model, "proj.weight_shape", { dtype: "F32", shape: [4], bytes: bytes(16) }),
      [W, /weight_shape" is F32, expected I64/],
    ],
    [
      "words of another dtype",
      changed(model, "proj.weight_packed", { dtype: "U8", shape: [rows, 48] }),
      [W, /weight_packed" is U8, expected I32/],
    ],
    [
      "words of rank 3",
      changed(model, "proj.weight_packed", { shape: [rows, 12, 2], bytes: bytes(rows * 96) }),
      [W, /do not make \[20, 12, 2\] words/],
    ],
    [
      "words of 3 bits",
      changed(model, "proj.weight_packed", { shape: [rows, 9], bytes: bytes(rows * 36) }),
      [W, /codes of 4 or 8 bits/],
    ],
    [
      "scales of integers",
      changed(model, "proj.weight_scale", { dtype: "I16" }),
      [W, /weight_scale" is I16, expected F32 or F16 or BF16/],
    ],
    [
      "groups that do not divide",
      changed(model, "proj.weight_scale", { shape: [rows, 7], bytes: bytes(rows * 14) }),
      [W, /96 columns do not divide into 7 groups/],
    ],
    [
      "no groups",
      changed(model, "proj.weight_scale", { shape: [rows, 0], bytes: bytes(0) }),
      [W, /do not divide into 0 groups/],
    ],
    [
      "scales of other rows",
      changed(model, "proj.weight_scale", { shape: [rows + 1, 3], bytes: bytes(6 * (rows + 1)) }),
      [W, /weight_scale" has 63 elements, and 60 fit/],
    ],
    [
      "zero points of other rows",
      changed(model, "proj.weight_zero_point", { shape: [2, 3], bytes: bytes(24) }),
      [W, /weight_zero_point" has 6 elements, and 9 fit/],
    ],
    [
      "zero points that are not packed",
      changed(model, "proj.weight_zero_point", {
        dtype: "I8",
        shape: [rows, 3],
        bytes: bytes(3 * rows),
      }),
      [W, /weight_zero_point" is I8, expected I32/],
    ],
    [
      "an order of activations",
      [...model, opaque("proj.weight_g_idx", "I32", [columns])],
      [W, /weight_g_idx/],
    ],
    [
      "the weight itself, too",
      [...model, weights(W, [rows, columns])],
      [W, /twice, quantized and not/],
    ],
    [
      "scales of another form",
      [...model, opaque("other.weight_scale", "F32", [1])],
      ["other.weight_scale", /whose form quantwise does not read/],
    ],
  ])("%s", async (_, tensors, refusal) => {
    await expectRefused(tensors, refusal, { format: "pt" }, CONFIG);
  });

  it("is whole to begin with, and so is the golden checkpoint", async () => {
    expect(await failureOf(model)).toBeUndefined();
    expect(await failureOf(packedModel().file.tensors)).toBeUndefined();
  });
});

describe("the native form", () => {
  const W = "layers.0.fc1.weight";
  let stored: Stored;
  /** [40, 96] in blocks of 32: 120 scales in one group. */
  beforeAll(async () => {
    const tensors = [
      weights(W, [40, 96], "BF16", { seed: 1 }),
      weights("norm.weight", [8], "BF16", { seed: 2 }),
    ];
    const folder = writeModel(join(temporaryFolder(), "model"), tensors, null);
    const out = join(temporaryFolder(), "out");
    await quantizeModel(folder, out, { quantType: "int4", blockSize: 32 });
    stored = readModel(out);
  });

  const said = () => JSON.parse(stored.metadata.quantwise as string);

  /** The metadata with some members replaced. */
  const withJson = (change: (json: Record<string, unknown>) => unknown) => {
    const json = said();
    const result = change(json) ?? json;
    return {
      format: "pt",
      quantwise: typeof result === "string" ? result : JSON.stringify(result),
    };
  };
  const coding = (change: object) =>
    withJson((json) => ({ ...json, codings: [{ ...said().codings[0], ...change }] }));
  const weight = (change: object) =>
    withJson((json) => ({ ...json, tensors: { [W]: { ...said().tensors[W], ...change } } }));

  it("is whole to begin with", async () => {
    const out = join(temporaryFolder(), "out");
    const folder = writeStored(stored.tensors, stored.metadata);
    expect(await dequantizeModel(folder, out)).toMatchObject({ expanded: 1, copied: 1 });
  });

  const METADATA: readonly (readonly [string, () => Record<string, string>, Refusal])[] = [
    ["no JSON", () => withJson(() => "{"), [undefined, /__metadata__\.quantwise: byte/]],
    ["no object", () => withJson(() => "[]"), [undefined, /expected an object/]],
    [
      "deep JSON",
      () => withJson(() => `{"version":${"[".repeat(400)}`),
      [undefined, /quantwise: /],
    ],
    [
      "no version",
      () => withJson((json) => ({ ...json, version: undefined })),
      [undefined, /names no version/],
    ],
    [
      "a later version",
      () => withJson((json) => ({ ...json, version: 2 })),
      [undefined, /has version 2, and this quantwise reads version 1; use a newer/],
    ],
    [
      "version 0",
      () => withJson((json) => ({ ...json, version: 0 })),
      [undefined, /has version 0/],
    ],
    [
      "a version of text",
      () => withJson((json) => ({ ...json, version: "1" })),
      [undefined, /names no version/],
    ],
    [
      "no codings",
      () => withJson((json) => ({ ...json, codings: undefined })),
      [undefined, /needs "codings", an array/],
    ],
    [
      "no tensors",
      () => withJson((json) => ({ ...json, tensors: [] })),
      [undefined, /"tensors", an object/],
    ],
    ["another index", () => weight({ coding: 1 }), [W, /the index of one/]],
    ["a negative index", () => weight({ coding: -1 }), [W, /the index of one/]],
    ["no dtype", () => weight({ dtype: "int8" }), [W, /"dtype" and "shape"/]],
    ["no shape", () => weight({ shape: "[40,96]" }), [W, /"dtype" and "shape"/]],
    ["a shape of text", () => weight({ shape: ["40", "96"] }), [W, /whole dimensions/]],
    ["a negative shape", () => weight({ shape: [-40, -96] }), [W, /whole dimensions/]],
    [
      "a huge shape",
      () => weight({ shape: [2 ** 30, 2 ** 20] }),
      [W, /is U8 \[1920\], expected U8 \[562949953421312\]/],
    ],
    ["a shape beyond numbers", () => weight({ shape: [2 ** 50, 96] }), [W, /2\^53/]],
    [
      "another shape of as many",
      () => weight({ shape: [96, 40] }),
      [W, /scale" is U8 \[40, 3\], expected U8 \[96, 2\]/],
    ],
    [
      "a rank of none",
      () => weight({ shape: [3840] }),
      [W, /scale" is U8 \[40, 3\], expected U8 \[120\]/],
    ],
    [
      "a tensor that is not there",
      () =>
        withJson((json) => ({ ...json, tensors: { ...said().tensors, ghost: said().tensors[W] } })),
      ["ghost", /part "ghost" is missing/],
    ],
    [
      "a part as a weight",
      () =>
        withJson((json) => ({
          ...json,
          tensors: {
            ...said().tensors,
            [`${W}.scale`]: { coding: 0, dtype: "float32", shape: [240] },
          },
        })),
      [`${W}.scale`, /\[40, 3\]/],
    ],
    ["no quant type", () => coding({ quantType: undefined }), [undefined, /coding 0.*/]],
    [
      "an unknown quant type",
      () => coding({ quantType: "int3" }),
      [undefined, /coding 0: quantType: expected/],
    ],
    [
      "another quant type",
      () => coding({ quantType: "int8" }),
      [W, /is U8 \[1920\], expected I8 \[40, 96\]/],
    ],
    [
      "a block size of its own",
      () => coding({ blockSize: 31 }),
      [undefined, /coding 0: blockSize: expected/],
    ],
    ["a huge block size", () => coding({ blockSize: 2 ** 40 }), [undefined, /coding 0: blockSize/]],
    [
      "no block size",
      () => coding({ blockSize: undefined }),
      [undefined, /coding 0: it does not say its "blockSize"/],
    ],
    [
      "no granularity",
      () => coding({ granularity: undefined }),
      [undefined, /does not say its "granularity"/],
    ],
    [
      "no symmetric",
      () => coding({ symmetric: undefined }),
      [undefined, /does not say its "symmetric"/],
    ],
    [
      "no doubleQuant",
      () => coding({ doubleQuant: undefined }),
      [undefined, /does not say its "doubleQuant"/],
    ],
    ["null", () => coding({ doubleQuant: null }), [undefined, /coding 0/]],
    [
      "no double quantization",
      () => coding({ doubleQuant: false }),
      [W, /scale" is U8 \[40, 3\], expected F32/],
    ],
    ["symmetric", () => coding({ symmetric: true, doubleQuant: false }), [W, /expected F32/]],
    [
      "channels of an axis that is not there",
      () => coding({ granularity: "channel", axis: 2, blockSize: undefined, doubleQuant: false }),
      [W, /axis: expected -2 to 1/],
    ],
    [
      "rows of llm-int8 in rank 3",
      () =>
        withJson(() => ({
          version: 1,
          codings: [{ quantType: "llm-int8" }],
          tensors: { [W]: { coding: 0, dtype: "float16", shape: [2, 2, 2] } },
        })),
      [W, /needs rank 2/],
    ],
  ];

  it.each(METADATA)("metadata: %s", async (_, metadata, refusal) => {
    await expectRefused(stored.tensors, refusal, metadata());
  });

  it("unknown members are skipped", async () => {
    const metadata = withJson((json) => ({
      ...json,
      more: [1],
      codings: [{ ...said().codings[0], colour: "red" }],
      tensors: { [W]: { ...said().tensors[W], colour: "red" } },
    }));
    const out = join(temporaryFolder(), "out");
    const folder = writeStored(stored.tensors, metadata);
    expect(await dequantizeModel(folder, out)).toMatchObject({ expanded: 1 });
  });

  it.each<readonly [string, string, Partial<TestTensor>, RegExp]>([
    [
      "codes of another length",
      "",
      { shape: [1919], bytes: bytes(1919) },
      /is U8 \[1919\], expected U8 \[1920\]/,
    ],
    ["codes of another dtype", "", { dtype: "I8" }, /is I8 \[1920\], expected U8/],
    ["codes of another shape", "", { shape: [40, 48] }, /is U8 \[40, 48\], expected U8 \[1920\]/],
    [
      "scales of another shape",
      ".scale",
      { shape: [120] },
      /scale" is U8 \[120\], expected U8 \[40, 3\]/,
    ],
    [
      "a short nested scale",
      ".nested_scale",
      { shape: [2], bytes: bytes(8) },
      /is F32 \[2\], expected F32 \[1, 2\]/,
    ],
    [
      "zero points of another dtype",
      ".zero_point",
      { dtype: "U8" },
      /is U8 \[40, 3\], expected I8/,
    ],
    [
      "zero points that no code has",
      ".zero_point",
      { bytes: bytes(120).fill(8) },
      /zero point 0 is 8, expected whole numbers from -8 to 7/,
    ],
  ])("%s", async (_, suffix, change, message) => {
    const tensors = changed(stored.tensors, W + suffix, change);
    await expectRefused(tensors, [W, message], stored.metadata);
  });

  it.each(["", ".scale", ".zero_point", ".nested_scale"])("no part %s", async (suffix) => {
    const refusal = [W, new RegExp(`part "${W}${suffix}" is missing`)] as const;
    await expectRefused(without(stored.tensors, W + suffix), refusal, stored.metadata);
  });

  it("two weights of the same parts", async () => {
    const metadata = withJson(() => ({
      version: 1,
      codings: [{ quantType: "fp8-e4m3", granularity: "tensor" }],
      tensors: {
        a: { coding: 0, dtype: "float32", shape: [2] },
        "a.scale": { coding: 0, dtype: "float32", shape: [] },
      },
    }));
    const tensors = [
      { name: "a", dtype: "F8_E4M3", shape: [2], bytes: bytes(2) },
      { name: "a.scale", dtype: "F32", shape: [], bytes: bytes(4) },
      { name: "a.scale.scale", dtype: "F32", shape: [], bytes: bytes(4) },
    ];
    await expectRefused(tensors, ["a.scale", /is F32 \[\], expected F8_E4M3/], metadata);
  });
});

describe("a checkpoint", () => {
  it("without anything quantized is refused by what can be read", async () => {
    const folder = writeModel(
      join(temporaryFolder(), "model"),
      [weights("a.weight", [8, 8])],
      null,
    );
    const error = await failure(folder);
    expect(error).toBeInstanceOf(QuantwiseError);
    expect((error as QuantwiseError).code).toBe("PLAN");
    expect((error as Error).message).toMatch(/nothing in this checkpoint is quantized/);
  });

  it.each(["a.qweight", "a.qzeros", "a.weight_scale", "a.weight_scale_inv"])(
    "of another form is refused by its tensor %s",
    async (name) => {
      await expectRefused(
        [opaque(name, "I32", [4]), opaque("b", "F32", [1])],
        [name, /whose form quantwise does not read/],
      );
    },
  );
});
