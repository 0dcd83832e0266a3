import { describe, expect, it } from "vitest";
import { ExactFile } from "../../src/checkpoint/exact-file.ts";
import {
  type FinalParts,
  type OutputTensor,
  outputTensor,
  type Role,
} from "../../src/checkpoint/layouts/layout.ts";
import type { TextSize } from "../../src/checkpoint/unit.ts";
import type { Dtype } from "../../src/formats/safetensors/index.ts";
import type { ByteSink } from "../../src/foundation/byte-source.ts";
import { sameBytes } from "../kernels/calls.ts";
import { opaque, randomFrom, referenceFile, type TestTensor } from "./safetensors-files.ts";

/** A sink in memory that counts how many bytes were moved. */
class MemorySink implements ByteSink {
  readonly name = "memory";
  bytes = new Uint8Array(0);
  movedBytes = 0;

  async write(bytes: Uint8Array, position: number): Promise<void> {
    const end = position + bytes.byteLength;
    if (end > this.bytes.byteLength) await this.truncate(end);
    this.bytes.set(bytes, position);
  }

  async read(target: Uint8Array, position: number): Promise<void> {
    if (position + target.byteLength > this.bytes.byteLength) throw new Error("reads past the end");
    target.set(this.bytes.subarray(position, position + target.byteLength));
    this.movedBytes += target.byteLength;
  }

  async truncate(size: number): Promise<void> {
    const resized = new Uint8Array(size);
    resized.set(this.bytes.subarray(0, size));
    this.bytes = resized;
  }
}

/** A unit of one or of several stored tensors; `text` is the one whose length is data. */
interface TestUnit {
  readonly stream: TestTensor;
  readonly text?: { readonly name: string; readonly byteLength: number };
  readonly others?: readonly TestTensor[];
}

const TYPICAL = 100;
const LONGEST = 104;

function copied(tensor: TestTensor): TestUnit {
  return { stream: tensor };
}

/** What double quantization stores for a weight. */
function quantized(name: string, textBytes: number, codes = 37): TestUnit {
  return {
    stream: opaque(name, "U8", [codes, 1]),
    text: { name: `${name}.quant_state.bitsandbytes__nf4`, byteLength: textBytes },
    others: [
      opaque(`${name}.absmax`, "U8", [5]),
      opaque(`${name}.nested_absmax`, "F32", [1]),
      opaque(`${name}.quant_map`, "F32", [16]),
    ],
  };
}

function textOf(unit: TestUnit): TestTensor[] {
  if (unit.text === undefined) return [];
  const { name, byteLength } = unit.text;
  return [{ name, dtype: "U8", shape: [byteLength], bytes: new Uint8Array(byteLength).fill(0x74) }];
}

function outputsOf(unit: TestUnit, size: TextSize): OutputTensor[] {
  const whole = (role: Role, { name, dtype, shape, bytes }: TestTensor) =>
    outputTensor(role, name, dtype as Dtype, shape, bytes.byteLength);
  const textBytes = size === "longest" ? LONGEST : TYPICAL;
  const roles: readonly Role[] = ["absmax", "nestedAbsmax", "quantMap"];
  return [
    whole(unit.text === undefined ? "copy" : "codes", unit.stream),
    ...textOf(unit).map(({ name }) =>
      outputTensor("quantState", name, "U8", [textBytes], textBytes),
    ),
    ...(unit.others ?? []).map((tensor, i) => whole(roles[i] as Role, tensor)),
  ];
}

function partsOf(unit: TestUnit): FinalParts {
  const roles: readonly Role[] = ["absmax", "nestedAbsmax", "quantMap"];
  const parts = new Map<Role, Uint8Array>();
  for (const [i, { bytes }] of (unit.others ?? []).entries()) parts.set(roles[i] as Role, bytes);
  for (const { bytes } of textOf(unit)) parts.set("quantState", bytes);
  return parts;
}

const METADATA = new Map([["format", "pt"]]);

async function written(units: readonly TestUnit[], inOrder: boolean): Promise<MemorySink> {
  const sink = new MemorySink();
  const keys = units.map((_, i) => i);
  const layout = new ExactFile(
    sink,
    keys,
    (key, size) => outputsOf(units[key] as TestUnit, size),
    METADATA,
    inOrder,
  );
  const order = inOrder ? [...layout.order()] : keys;
  expect([...order].sort((a, b) => a - b)).toEqual(keys);
  for (const key of order) {
    const unit = units[key] as TestUnit;
    const writer = layout.writer(key);
    const { bytes } = unit.stream;
    const middle = bytes.byteLength >> 1;
    await writer.write(bytes.subarray(0, middle));
    await writer.write(bytes.subarray(middle));
    await writer.finish(partsOf(unit));
  }
  const { bytes, dataBytes } = await layout.finish();
  expect(bytes).toBe(sink.bytes.byteLength);
  const headerBytes = Number(new DataView(sink.bytes.buffer).getBigUint64(0, true));
  expect(dataBytes).toBe(bytes - 8 - headerBytes);
  return sink;
}

function reference(units: readonly TestUnit[]): Uint8Array {
  return referenceFile(
    units.flatMap((unit) => [unit.stream, ...textOf(unit), ...(unit.others ?? [])]),
  );
}

async function expectReference(units: readonly TestUnit[]): Promise<void> {
  for (const inOrder of [true, false]) {
    const sink = await written(units, inOrder);
    sameBytes(sink.bytes, reference(units), inOrder ? "in order" : "as they come");
  }
}

const TEXTS = [
  ["as long as guessed", TYPICAL],
  ["shorter than guessed", TYPICAL - 16],
  ["longer than guessed", LONGEST],
] as const;

describe.each(TEXTS)("a file whose texts are %s", (_, textBytes) => {
  it("equals the reference writer's, with one weight", async () => {
    await expectReference([quantized("a.weight", textBytes)]);
  });

  it("equals the reference writer's, with several weights and copies of every dtype", async () => {
    await expectReference([
      copied(opaque("z.norm", "F32", [3])),
      quantized("c.weight", textBytes),
      copied(opaque("mask", "BOOL", [7])),
      quantized("a.weight", textBytes, 4),
      copied(opaque("positions", "I64", [5])),
      copied(opaque("b.bytes", "U8", [9])),
      copied(opaque("doubles", "F64", [2])),
      copied(opaque("b.norm", "BF16", [3])),
      quantized("b.weight", textBytes, 1),
      copied(opaque("a.mask", "BOOL", [3])),
      copied(opaque("codes", "I8", [6])),
    ]);
  });

  it("keeps the 4-bit floats that are sorted behind the texts", async () => {
    await expectReference([
      copied(opaque("fours", "F4", [8])),
      quantized("a.weight", textBytes),
      quantized("b.weight", textBytes),
      copied(opaque("mask", "BOOL", [2])),
    ]);
  });

  it("equals the reference writer's when the names of units interleave", async () => {
    await expectReference([
      quantized("a.weight", textBytes),
      quantized("a.weight.b", textBytes),
      copied(opaque("a.weight.c", "U8", [11])),
      copied(opaque("a.weight.quant_state.d", "BOOL", [2])),
      quantized("b.weight", textBytes),
    ]);
  });

  it("keeps empty tensors", async () => {
    await expectReference([
      copied(opaque("a.empty", "F32", [0, 4])),
      quantized("a.weight", textBytes),
      copied(opaque("b.empty", "U8", [0])),
      copied(opaque("z.empty", "BOOL", [0])),
    ]);
  });
});

describe("the final move", () => {
  /** Enough units for offsets around a power of ten, where the header's length changes. */
  function manyUnits(count: number, textBytes: (index: number) => number): TestUnit[] {
    return Array.from({ length: count }, (_, i) =>
      quantized(`layers.${i}.weight`, textBytes(i), 1 + (i % 7)),
    );
  }

  it("is not made when every text is as long as guessed", async () => {
    const units = manyUnits(20, () => TYPICAL);
    const sink = await written(units, true);
    expect(sink.movedBytes).toBe(0);
    sameBytes(sink.bytes, reference(units), "file");
  });

  it("is not made either when the units come in order and the header keeps its length", async () => {
    const units = manyUnits(3, (i) => TYPICAL - i);
    const sink = await written(units, true);
    expect(sink.movedBytes).toBe(0);
    sameBytes(sink.bytes, reference(units), "file");
  });

  it("closes the gaps that the room for the longest texts leaves", async () => {
    const units = manyUnits(20, (i) => TYPICAL - i);
    const sink = await written(units, false);
    expect(sink.movedBytes).toBeGreaterThan(0);
    sameBytes(sink.bytes, reference(units), "file");
  });

  it("makes room when the header turns out longer, and takes it back when shorter", async () => {
    const directions = new Set<number>();
    for (let count = 1; count < 90; count++) {
      for (const textBytes of [TYPICAL - 30, LONGEST]) {
        const units = manyUnits(count, () => textBytes);
        const guessed = manyUnits(count, () => TYPICAL);
        const headerOf = (file: Uint8Array) =>
          Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
        const expected = reference(units);
        const change = Math.sign(headerOf(expected) - headerOf(reference(guessed)));
        if (change === 0 || directions.has(change)) continue;
        directions.add(change);
        const sink = await written(units, true);
        expect(sink.movedBytes).toBeGreaterThan(0);
        sameBytes(sink.bytes, expected, `${count} units, texts of ${textBytes}`);
      }
    }
    // Both directions were met: otherwise this test shows nothing.
    expect([...directions].sort()).toEqual([-1, 1]);
  });
});

describe("any mixture", () => {
  it("equals the reference writer's file, in order or as the units come", async () => {
    const random = randomFrom(20);
    const dtypes = ["BOOL", "U8", "I8", "F16", "BF16", "I32", "F32", "F64", "I64"];
    const pick = (limit: number) => Math.floor(random() * limit);
    for (let round = 0; round < 150; round++) {
      const names = new Set<string>();
      while (names.size < 1 + pick(12)) {
        names.add(Array.from({ length: 1 + pick(3) }, () => "abc"[pick(3)]).join("."));
      }
      const units = [...names].map((name) =>
        random() < 0.5
          ? quantized(name, TYPICAL - 40 + pick(45), pick(30))
          : copied(opaque(name, dtypes[pick(dtypes.length)] as string, [pick(9)])),
      );
      await expectReference(units);
    }
  });
});

describe("names", () => {
  it("may not be written twice", () => {
    const units = [quantized("a.weight", TYPICAL), copied(opaque("a.weight.absmax", "U8", [5]))];
    const make = () =>
      new ExactFile(
        new MemorySink(),
        [0, 1],
        (key, size) => outputsOf(units[key] as TestUnit, size),
        METADATA,
        true,
      );
    expect(make).toThrow(/"a\.weight\.absmax" would be written twice/);
  });
});
