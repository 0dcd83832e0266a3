import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  countTable,
  parameterCountOf,
  parseParameterCount,
  type SizeRow,
} from "../../src/checkpoint/size-table/index.ts";
import { ArgumentError } from "../../src/foundation/errors.ts";
import { QUANT_TYPES } from "../../src/schemes/registry.ts";
import { quantize } from "../../src/tensor/quantize.ts";
import type { QuantizedTensor } from "../../src/tensor/quantized-tensor.ts";

describe("a parameter count", () => {
  it.each([
    ["7B", 7_000_000_000],
    ["7b", 7_000_000_000],
    ["1.5B", 1_500_000_000],
    ["1.10B", 1_100_000_000],
    ["350M", 350_000_000],
    ["125m", 125_000_000],
    ["64k", 64_000],
    ["1T", 1e12],
    ["7e9", 7e9],
    ["1.5e+3", 1500],
    ["6_738_415_616", 6_738_415_616],
    ["1", 1],
    ["1000T", 1e15],
    ["0.001k", 1],
  ])("%s is %d", (text, count) => {
    expect(parseParameterCount(text)).toBe(count);
  });

  it.each([
    "",
    "B",
    "7X",
    "7BB",
    "7 B",
    "-7B",
    "0",
    "0B",
    "0.5",
    "1.2345k",
    "7_",
    "_7",
    "7__0",
    "1,5B",
    "7e",
    "7e-9",
    "0x7",
    "Infinity",
    "1001T",
    "1e99",
    "seven",
  ])("is not %j", (text) => {
    expect(parameterCountOf(text)).toBeUndefined();
    expect(() => parseParameterCount(text)).toThrow(ArgumentError);
    expect(() => parseParameterCount(text)).toThrow(/parameters: expected .*"7B".*, received "/);
  });
});

/** The row of a scheme with these options; there must be one. */
function rowOf(rows: readonly SizeRow[], scheme: string, options: object = {}): SizeRow {
  const wanted = JSON.stringify(Object.entries({ quantType: scheme, ...options }).sort());
  const found = rows.filter(
    (row) =>
      JSON.stringify(Object.entries(row.options ?? { quantType: row.scheme }).sort()) === wanted,
  );
  expect(found).toHaveLength(1);
  return found[0] as SizeRow;
}

function bytes({ codeBytes, keptBytes, metadataBytes, totalBytes }: SizeRow): number[] {
  return [codeBytes + keptBytes, metadataBytes, totalBytes];
}

describe("7B in blocks of 64", () => {
  const { rows, notes, assumptions, wholeModel } = countTable(7e9, { blockSize: 64 });
  const block = { blockSize: 64 };

  // 7e9 / 64 = 109,375,000 blocks, in ceil(109,375,000 / 256) = 427,247 groups of 256.
  it.each([
    ["float32", {}, 28_000_000_000, 0],
    ["bfloat16", {}, 14_000_000_000, 0],
    // 8 bytes a block: f32 scale, f32 zero point. The lesson's 0.875 and 4.375 GB.
    ["uint4", { ...block, doubleQuant: false }, 3_500_000_000, 875_000_000],
    ["int8", block, 7_000_000_000, 875_000_000],
    // 2 bytes a block and 8 a group: 218,750,000 + 3,417,976. The lesson's 0.222 and 3.722 GB.
    ["uint4", block, 3_500_000_000, 222_167_976],
    ["uint8", { ...block, doubleQuant: true }, 7_000_000_000, 222_167_976],
    // 4 bytes a block; 1 byte a block, 4 a group, 4 for the offset: 109,375,000 + 1,708,988 + 4.
    ["nf4", { ...block, doubleQuant: false }, 3_500_000_000, 437_500_000],
    ["nf4", block, 3_500_000_000, 111_083_992],
    // 4 bytes for each 4096: ceil(7e9 / 4096) = 1,708,985 (1,708,984 and three eighths).
    ["dynamic8", {}, 7_000_000_000, 6_835_940],
    ["dynamic8", block, 7_000_000_000, 437_500_000],
    // The same number of rows of 4096, the last of them shorter.
    ["llm-int8", {}, 7_000_000_000, 6_835_940],
    ["int4", { granularity: "channel" }, 3_500_000_000, 13_671_880],
    ["int4", { granularity: "tensor" }, 3_500_000_000, 8],
    // 1 byte for each 32, and for each 16 beside one f32.
    ["mxfp4", {}, 3_500_000_000, 218_750_000],
    ["mxfp8", {}, 7_000_000_000, 218_750_000],
    ["nvfp4", {}, 3_500_000_000, 437_500_004],
    ["fp8-e4m3", {}, 7_000_000_000, 4],
    ["fp8-e5m2", { granularity: "block", ...block }, 7_000_000_000, 437_500_000],
  ] as const)("%s %j", (scheme, options, weights, metadata) => {
    expect(bytes(rowOf(rows, scheme, options))).toEqual([weights, metadata, weights + metadata]);
  });

  it("gives the true bits of NF4: 4 + 32/64, and 4 + 8/64 + 32/(64·256)", () => {
    expect(rowOf(rows, "nf4", { ...block, doubleQuant: false }).bitsPerWeight).toBe(4.5);
    expect(rowOf(rows, "nf4", block).bitsPerWeight).toBeCloseTo(4.126953125, 7);
    expect(notes.join("\n")).toMatch(/= 4\.500 bits.*= 4\.127/);
  });

  it("lists every scheme, largest first, with ratios to bfloat16", () => {
    expect(new Set(rows.map(({ scheme }) => scheme))).toEqual(
      new Set(["float32", "bfloat16", ...QUANT_TYPES]),
    );
    const totals = rows.map(({ totalBytes }) => totalBytes);
    expect(totals).toEqual([...totals].sort((a, b) => b - a));
    for (const { ratio, totalBytes } of rows) expect(ratio).toBe(14e9 / totalBytes);
  });

  it("says why the lesson's 872 and 218 MB differ", () => {
    const text = notes.join("\n");
    expect(text).toContain("872 MB and 218 MB");
    expect(text).toContain("109 M blocks");
    expect(text).toContain("109,375,000");
    expect(text).toContain("218.75 MB");
    expect(text).toContain("3.42 MB");
  });

  it("names what it assumes", () => {
    const text = assumptions.join("\n");
    for (const word of ["one tensor", "4096", "bfloat16", "10^9", "float32", "embeddings"]) {
      expect(text).toContain(word);
    }
  });

  it("tells what the whole Llama-2-7B weighs", () => {
    const {
      rows: whole,
      source,
      parameters,
      quantizedTensors,
    } = wholeModel as NonNullable<typeof wholeModel>;
    // 32 · (4 · 4096² + 3 · 4096 · 11008) = 6,476,005,376 in 32 · 7 = 224 linear layers;
    // 2 · 32000 · 4096 + 65 · 4096 = 262,410,240 in embeddings, output head and norms.
    expect(parameters).toBe(6_738_415_616);
    expect(source.totalBytes).toBe(2 * 6_738_415_616);
    expect(quantizedTensors).toBe(224);
    for (const row of whole) {
      expect(row.quantizedWeights).toBe(6_476_005_376);
      expect(row.keptBytes).toBe(2 * 262_410_240);
      expect(row.codeBytes).toBe(3_238_002_688);
      expect(row.headerBytes).toBeLessThan(200_000);
    }
    // 101,187,584 blocks; bitsandbytes' table of 16 levels and its text beside each tensor.
    const text = (shape: string) =>
      `{"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [${shape}]}`.length;
    const texts = 128 * text("4096, 4096") + 96 * text("11008, 4096");
    const nf4 = rowOf(whole, "nf4", { blockSize: 64, doubleQuant: false });
    expect(nf4.metadataBytes).toBe(4 * 101_187_584 + 224 * 64 + texts);
    expect(nf4.slackBytes).toBe(0);
    // 2 bytes a block, 8 for 256: 2¹⁸ blocks a matrix of 4096², 704,512 (2752 groups) of the others.
    const int4 = rowOf(whole, "int4", { blockSize: 64, granularity: "block" });
    expect(int4.metadataBytes).toBe(2 * 101_187_584 + 8 * (128 * 1024 + 96 * 2752));
  });
});

describe("a count", () => {
  it.each([1, 63, 64, 65, 4097, 100_003])("of %d weights weighs what quantize stores", (count) => {
    const source = new Float32Array(count).map((_, i) => Math.sin(i));
    for (const { options, coding, codeBytes, metadataBytes } of countTable(count).rows) {
      // Rows of channels are cut in two tensors: see below.
      const isByRows = coding?.family === "rows" || options?.granularity === "channel";
      if (options === null || isByRows) continue;
      const q = quantize(source, { ...options, shape: [1, count] });
      expect([options, codeBytes, metadataBytes]).toEqual([options, ...storedBytes(q)]);
    }
  });

  it("counts a scale for every row, and one for what is left over", () => {
    // 10,000 weights in rows of 768: 13 whole ones and 16 weights.
    const { rows } = countTable(10_000, { columns: 768 });
    expect(rowOf(rows, "llm-int8").metadataBytes).toBe(14 * 4);
    expect(rowOf(rows, "int8", { granularity: "channel" }).metadataBytes).toBe(14 * 8);
    expect(rowOf(rows, "fp8-e4m3", { granularity: "channel" }).metadataBytes).toBe(14 * 4);
    // Fewer weights than a row holds, and no weight left over.
    expect(rowOf(countTable(5).rows, "llm-int8").metadataBytes).toBe(4);
    expect(rowOf(countTable(8192).rows, "llm-int8").metadataBytes).toBe(8);
  });

  it("is given at the default block size and at the one asked for", () => {
    const { rows } = countTable(1e6, { blockSize: 128, quantTypes: ["nf4", "dynamic8"] });
    const sizes = rows.flatMap(({ coding }) =>
      coding?.family === "codebook"
        ? [[coding.quantType, coding.blockSize, coding.doubleQuant]]
        : [],
    );
    expect(sizes).toEqual([
      ["dynamic8", 128, false],
      ["dynamic8", 4096, false],
      ["nf4", 64, false],
      ["nf4", 128, false],
      ["nf4", 64, true],
      ["nf4", 128, true],
    ]);
  });

  it("has a row that says why, where a scheme takes no such block", () => {
    const { rows, refused } = countTable(1e6, { blockSize: 48 });
    expect(rowOf(rows, "int4", { blockSize: 48 }).coding).toMatchObject({ blockSize: 48 });
    expect(refused.map(({ scheme }) => scheme)).toEqual(["nf4", "nf4", "fp4", "fp4", "af4", "af4"]);
    for (const { reason } of refused) expect(reason).toMatch(/blockSize: .*one of 32, 64.*48/);
    expect(countTable(7e9, { blockSize: 7 }).wholeModel).toBeNull();
  });

  it("of a size that no model is known for has no whole model, and says so", () => {
    const { wholeModel, assumptions } = countTable(13e9);
    expect(wholeModel).toBeNull();
    expect(assumptions[0]).toMatch(/a count does not tell/);
  });

  it.each([
    ["parameters", 0, {}],
    ["parameters", 1.5, {}],
    ["parameters", 1e15 + 1, {}],
    ["columns", 1e6, { columns: 0 }],
    ["blockSize", 1e6, { blockSize: 0 }],
    ["blockSize", 1e6, { blockSize: 64, quantTypes: ["mxfp4", "llm-int8"] }],
    ["blockSize", 1e6, { blockSize: 64, quantTypes: ["int8"], granularity: "tensor" }],
    ["granularity", 1e6, { granularity: "channel", quantTypes: ["nf4"] }],
    ["granularity", 1e6, { granularity: "row" as "tensor" }],
    ["symmetric", 1e6, { symmetric: true, quantTypes: ["uint8", "nf4"] }],
    ["doubleQuant", 1e6, { doubleQuant: true, quantTypes: ["dynamic8"] }],
    ["quantType", 1e6, { quantTypes: ["nf5" as "nf4"] }],
    ["quantTypes", 1e6, { quantTypes: [] }],
  ] as const)("refuses a %s that means nothing: %d %j", (argument, count, options) => {
    const attempt = () => countTable(count, options);
    expect(attempt).toThrow(ArgumentError);
    expect(attempt).toThrow(new RegExp(`^${argument}: expected `));
  });

  it("sums up, whatever is asked", () => {
    const options = fc.record(
      {
        blockSize: fc.integer({ min: 1, max: 5000 }),
        symmetric: fc.boolean(),
        doubleQuant: fc.boolean(),
        columns: fc.integer({ min: 1, max: 20_000 }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e15 }), options, (count, given) => {
        for (const row of countTable(count, given).rows) {
          expect(row.quantizedWeights + row.keptWeights).toBe(count);
          expect(row.codeBytes + row.metadataBytes + row.keptBytes).toBe(row.totalBytes);
          expect(Number.isSafeInteger(row.totalBytes)).toBe(true);
        }
      }),
      { numRuns: 200 },
    );
  });
});

/** Bytes of the codes, and of all arrays and numbers beside them that decoding needs. */
function storedBytes(q: QuantizedTensor): [codes: number, beside: number] {
  const besideOf = (record: object): number =>
    Object.entries(record).reduce((sum, [key, value]) => {
      if (["codes", "code", "levels"].includes(key)) return sum;
      if (ArrayBuffer.isView(value)) return sum + value.byteLength;
      if (key === "offset" || key === "tensorScale") return sum + 4;
      return sum + (key === "nested" && value !== undefined ? besideOf(value) : 0);
    }, 0);
  return [q.codes.byteLength, besideOf(q)];
}
