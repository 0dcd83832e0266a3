/** Comparing and inspecting what lies behind 4 GiB, and tensors that no memory should hold. */

import { execFileSync } from "node:child_process";
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { layerRules } from "../../src/checkpoint/architectures/index.ts";
import { compareTensors, matchTensors } from "../../src/checkpoint/stored/compare.ts";
import { StoredModel } from "../../src/checkpoint/stored/stored-model.ts";
import { openSafetensors, type SafetensorsFile } from "../../src/formats/safetensors/index.ts";
import { figuresOf } from "../../src/metrics/comparison-figures.ts";
import {
  compareModels,
  inspectModel,
  type QuantizeModelOptions,
  quantizeModel,
} from "../../src/node/index.ts";
import { newWorkspace } from "../../src/tensor/default-workspace.ts";
import { temporaryFolder } from "../cli/quantwise.ts";
import { writeModel } from "../node/models.ts";
import { readFile, type TestTensor, weights } from "./safetensors-files.ts";

/** Past 2³² bytes, and odd so that no power of two hides. */
const FILLER_BYTES = 2 ** 32 + 1_000_003;

interface Placed {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly byteLength: number;
}

/** A file's beginning: tensors in the given order, one behind the other. */
function headerOf(
  tensors: readonly Placed[],
  metadata: Readonly<Record<string, string>> = { format: "pt" },
): Buffer {
  const header: Record<string, object> = { __metadata__: metadata };
  let offset = 0;
  for (const { name, dtype, shape, byteLength } of tensors) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + byteLength] };
    offset += byteLength;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.byteLength));
  return Buffer.concat([length, text]);
}

describe("behind 4 GiB", { timeout: 60_000 }, () => {
  const folder = temporaryFolder();
  const tensors = [
    weights("a.weight", [64, 64], "BF16", { seed: 1 }),
    weights("b.weight", [523, 512], "BF16", { seed: 2 }),
    weights("norm", [64], "BF16", { seed: 3 }),
  ];
  const small = writeModel(join(folder, "small"), tensors);

  /** A file's tensors once more, behind a hole that is a tensor too. */
  function behindHole(
    name: string,
    parts: readonly TestTensor[],
    metadata?: Readonly<Record<string, string>>,
  ): string {
    const filler = { name: "filler", dtype: "U8", shape: [FILLER_BYTES], byteLength: FILLER_BYTES };
    const placed = parts.map((part) => ({ ...part, byteLength: part.bytes.byteLength }));
    const header = headerOf([filler, ...placed], metadata);
    const path = join(folder, `${name}.safetensors`);
    const fd = openSync(path, "w");
    writeSync(fd, header);
    let at = header.byteLength + FILLER_BYTES;
    for (const { bytes } of parts) {
      writeSync(fd, bytes, 0, bytes.byteLength, at);
      at += bytes.byteLength;
    }
    ftruncateSync(fd, at);
    closeSync(fd);
    return path;
  }

  it.each([
    ["nf4", { quantType: "nf4" }],
    ["llm-int8", { quantType: "llm-int8" }],
    ["int4, native", { quantType: "int4" }],
    ["int4, compressed-tensors", { quantType: "int4", format: "compressed-tensors" }],
  ] as readonly (readonly [string, QuantizeModelOptions])[])("%s", async (name, options) => {
    const quantized = join(folder, name);
    await quantizeModel(small, quantized, { include: ["**.weight"], ...options });
    const parts = readFile(readFileSync(join(quantized, "model.safetensors")));
    const farOriginal = behindHole("original", tensors);
    const far = behindHole(`far ${name}`, parts.tensors, parts.metadata);

    const near = await compareModels(small, quantized, { details: true });
    const { tensors: compared, ...rest } = await compareModels(farOriginal, far, { details: true });
    expect(compared).toEqual(near.tensors);
    expect(rest.histograms).toEqual(near.histograms);
    expect(rest.schemes).toEqual(near.schemes);
    expect(rest.originalBytes).toBe(near.originalBytes + FILLER_BYTES);

    const own = await inspectModel(quantized, { stats: true });
    const found = await inspectModel(far, { stats: true });
    expect(found.bytes).toBe(own.bytes + FILLER_BYTES);
    const withoutFile = ({ file: _, ...tensor }: (typeof found.tensors)[number]) => tensor;
    const [filler, ...others] = found.tensors.map(withoutFile);
    expect(filler).toMatchObject({ storedAs: "U8", bytes: FILLER_BYTES, bitsPerWeight: 8 });
    expect(others).toEqual(own.tensors.map(withoutFile));
    // The hole takes no room, and is never read.
    const kilobytes = Number(execFileSync("du", ["-k", far], { encoding: "utf8" }).split("\t")[0]);
    expect(kilobytes).toBeLessThan(10_000);
  });
});

describe("a large tensor", { timeout: 60_000 }, () => {
  type Shape = readonly [rows: number, columns: number];
  const WIDE: Shape = [2 ** 12, 2 ** 14];
  const elementsOf = ([rows, columns]: Shape) => rows * columns;
  const NAME = "transformer.h.0.mlp.c_fc.weight";

  interface Watched {
    readonly file: SafetensorsFile;
    /** The longest read, and the sum of all. */
    readonly reads: { longest: number; sum: number };
  }

  /** A file that is not there: small tensors have bytes, all else reads as zeros. */
  async function absent(
    tensors: readonly (Placed & { readonly bytes?: Uint8Array })[],
  ): Promise<Watched> {
    const header = headerOf(tensors);
    const reads = { longest: 0, sum: 0 };
    const starts = tensors.map((_, i) =>
      tensors.slice(0, i).reduce((sum, { byteLength }) => sum + byteLength, header.byteLength),
    );
    const file = await openSafetensors({
      name: "absent",
      size: tensors.reduce((sum, { byteLength }) => sum + byteLength, header.byteLength),
      async read(target, position) {
        target.fill(0);
        if (position < header.byteLength) {
          target.set(header.subarray(position, position + target.byteLength));
          return;
        }
        reads.longest = Math.max(reads.longest, target.byteLength);
        reads.sum += target.byteLength;
        const index = starts.findLastIndex((start) => start <= position);
        const from = position - (starts[index] as number);
        const bytes = tensors[index]?.bytes;
        if (bytes !== undefined) target.set(bytes.subarray(from, from + target.byteLength));
      },
    });
    return { file, reads };
  }

  const half = (dtype: string, shape: Shape) =>
    absent([{ name: NAME, dtype, shape, byteLength: elementsOf(shape) * 2 }]);

  /** LLM.int8 of zeros, with the scales that zeros have. */
  const int8 = (shape: Shape) => {
    const [rows] = shape;
    const scb = NAME.replace("weight", "SCB");
    return absent([
      { name: NAME, dtype: "I8", shape, byteLength: elementsOf(shape) },
      { name: scb, dtype: "F32", shape: [rows], byteLength: 4 * rows },
    ]);
  };

  async function compared(original: Watched, restored: Watched, modelType: string) {
    const models = [
      await StoredModel.open([original.file]),
      await StoredModel.open([restored.file]),
    ] as const;
    const { pairs } = matchTensors(...models);
    expect(pairs).toHaveLength(1);
    let elements = 0;
    const { sums } = await compareTensors(
      pairs[0] as (typeof pairs)[number],
      models,
      [newWorkspace(), newWorkspace()],
      {
        layers: layerRules({ modelType, architectures: [] }),
        onElements: (count) => {
          elements += count;
        },
      },
    );
    expect(elements).toBe(sums.elements);
    expect(figuresOf(sums)).toMatchObject({ mse: 0, sqnrDb: Infinity, cosine: 1 });
    return sums;
  }

  function expectTiles(...files: readonly Watched[]): void {
    for (const { reads } of files) expect(reads.longest).toBeLessThanOrEqual(1 << 20);
  }

  it("is read once, in pieces of a tile", async () => {
    const original = await half("BF16", WIDE);
    const restored = await half("F16", WIDE);
    const { elements } = await compared(original, restored, "llama");
    expect(elements).toBe(elementsOf(WIDE));
    expect([original.reads.sum, restored.reads.sum]).toEqual([2 * elements, 2 * elements]);
    expectTiles(original, restored);
  });

  it("is read once, in pieces of a tile, where it is quantized", async () => {
    const original = await half("BF16", WIDE);
    const restored = await int8(WIDE);
    const { elements, saturated } = await compared(original, restored, "llama");
    expect(saturated).toEqual({ count: 0, elements: elementsOf(WIDE) });
    expect(original.reads.sum).toBe(2 * elements);
    expect(restored.reads.sum).toBe(elements + 4 * WIDE[0]);
    expectTiles(original, restored);
  });

  it("is transposed strip by strip, in pieces of a tile", async () => {
    const original = await half("BF16", [2 ** 11, 2 ** 13]);
    const restored = await int8([2 ** 13, 2 ** 11]);
    const { elements } = await compared(original, restored, "gpt2");
    // 32 MiB in strips of 16.
    expect(original.reads.sum).toBe(2 * 2 * elements);
    expect(restored.reads.sum).toBe(elements + 4 * 2 ** 13);
    expectTiles(original, restored);
  });
});
