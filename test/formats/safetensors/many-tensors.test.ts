import { describe, expect, it } from "vitest";
import { HeaderParser } from "../../../src/formats/safetensors/index.ts";
import { NameIndex } from "../../../src/formats/safetensors/name-index.ts";
import { TensorRecords } from "../../../src/formats/safetensors/tensor-records.ts";
import { entryText, fileOf, formatErrorOf } from "./files.ts";

const TENSORS = 100_000;

function manyEntries(order: (index: number) => number): string[] {
  return Array.from({ length: TENSORS }, (_, i) => {
    const at = order(i);
    return entryText(
      `model.layers.${at}.mlp.experts.w`,
      "U8",
      "[2,1]",
      `[${2 * at},${2 * at + 2}]`,
    );
  });
}

function parseInWindows(entries: readonly string[]) {
  const file = fileOf(`{${entries.join(",")}}`);
  const parser = new HeaderParser({ file: "many", dataByteLength: 2 * TENSORS });
  for (let at = 0; at < file.byteLength; at += 10_007) parser.push(file.subarray(at, at + 10_007));
  return parser.finish();
}

describe("A header of 100,000 tensors", () => {
  it("is read, and every tensor is found by name and by index", () => {
    const table = parseInWindows(manyEntries((i) => i));
    expect(table.length).toBe(TENSORS);
    for (let i = 0; i < TENSORS; i += 997) {
      expect(table.at(i)).toMatchObject({ begin: 2 * i, end: 2 * i + 2 });
      expect(table.indexOf(table.nameAt(i))).toBe(i);
    }
  });

  it("is sorted when it is listed backwards", () => {
    const table = parseInWindows(manyEntries((i) => TENSORS - 1 - i));
    for (let i = 0; i < TENSORS; i += 997) {
      expect(table.nameAt(i)).toBe(`model.layers.${i}.mlp.experts.w`);
      expect(table.indexOf(table.nameAt(i))).toBe(i);
    }
  });

  it("shows a name that comes twice, however far apart", () => {
    const entries = manyEntries((i) => i);
    entries[TENSORS - 1] = entries[0] as string;
    expect(formatErrorOf(() => parseInWindows(entries)).tensor).toBe(
      "model.layers.0.mlp.experts.w",
    );
  });
});

describe("The name index", () => {
  it("looks at a few slots a name, not at a share of the table", () => {
    const records = new TensorRecords(1 << 20);
    const names = new NameIndex(records);
    const encoder = new TextEncoder();
    for (let i = 0; i < TENSORS; i++) {
      const name = encoder.encode(`layers.${i}`);
      if (names.find(name, name.byteLength) !== -1) throw new Error(`found layers.${i} too early`);
      records.add(name, name.byteLength, 0, [], 0, i);
      names.add(name, name.byteLength, i);
    }
    expect(names.probeCount / TENSORS).toBeLessThan(20);
    expect(names.indexOf(`layers.${TENSORS - 1}`)).toBe(TENSORS - 1);
  });

  it("takes less memory than the header's text", () => {
    const entries = manyEntries((i) => i);
    const records = new TensorRecords(0);
    for (let i = 0; i < TENSORS; i++) {
      const name = new TextEncoder().encode(`model.layers.${i}.mlp.experts.w`);
      records.add(name, name.byteLength, 4, [2, 1], 2, 2 * i);
    }
    const textBytes = entries.join(",").length;
    expect(records.heldBytes + 4 * 2 ** 18).toBeLessThan(textBytes);
  });
});
