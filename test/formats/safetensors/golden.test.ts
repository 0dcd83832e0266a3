import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { dumpPython, parseJson } from "../../../src/formats/json/index.ts";
import {
  encodeHeader,
  headerByteLength,
  layoutTensors,
  openSafetensors,
  readSafetensors,
  readTensor,
  type TensorToWrite,
  writeSafetensors,
} from "../../../src/formats/safetensors/index.ts";
import { bytesSource } from "../../../src/foundation/byte-source.ts";

const ROOT = new URL("../../vectors/checkpoints/", import.meta.url);
const NAMES = readdirSync(ROOT, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name);

describe("The checkpoints that bitsandbytes made", () => {
  it("are six", () => {
    expect(NAMES).toHaveLength(6);
  });

  it.each(NAMES)("%s: the header is written back byte for byte", async (name) => {
    const bytes = new Uint8Array(readFileSync(new URL(`${name}/model.safetensors`, ROOT)));
    const { table, dataStart } = await openSafetensors(bytesSource(bytes));
    const header = bytes.subarray(0, dataStart);
    expect(encodeHeader(table, table.metadata)).toEqual(header);
    expect(headerByteLength(table, table.metadata)).toBe(dataStart);
    const shuffled = [...table].reverse();
    expect(encodeHeader(layoutTensors(shuffled), table.metadata)).toEqual(header);
  });

  it.each(NAMES)("%s: the whole file goes through both streams unchanged", async (name) => {
    const bytes = new Uint8Array(readFileSync(new URL(`${name}/model.safetensors`, ROOT)));
    const tensors: TensorToWrite[] = [];
    let metadata: ReadonlyMap<string, string> = new Map();
    for await (const { entry, table, body } of readSafetensors(new Blob([bytes]).stream())) {
      const data: Uint8Array[] = [];
      for await (const chunk of body) data.push(chunk);
      tensors.push({ ...entry, data });
      metadata = table.metadata;
    }
    const written: Uint8Array[] = [];
    const sink = new WritableStream<Uint8Array>({
      write: (chunk) => {
        written.push(chunk);
      },
    });
    await writeSafetensors(sink, tensors.reverse(), { metadata });
    expect(Buffer.concat(written).equals(bytes)).toBe(true);
  });

  it.each(NAMES)("%s: each tensor is read by itself", async (name) => {
    const bytes = new Uint8Array(readFileSync(new URL(`${name}/model.safetensors`, ROOT)));
    const file = await openSafetensors(bytesSource(bytes));
    for (const entry of file.table) {
      const tensor = await readTensor(file, entry);
      const begin = file.dataStart + entry.begin;
      expect(Buffer.from(tensor).equals(bytes.subarray(begin, begin + tensor.byteLength))).toBe(
        true,
      );
    }
  });

  it.each(NAMES)("%s: config.json is written back byte for byte", (name) => {
    const text = readFileSync(new URL(`${name}/config.json`, ROOT), "utf8");
    expect(`${dumpPython(parseJson(text), { indent: 2, sortKeys: true })}\n`).toBe(text);
  });
});
