import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { memberOf, numberOf } from "../../../src/formats/json/index.ts";
import { encodeIndex, parseIndex } from "../../../src/formats/safetensors/index.ts";
import { ArgumentError } from "../../../src/foundation/errors.ts";
import { formatErrorOf } from "./files.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const FILE = "model.safetensors.index.json";

describe("encodeIndex and parseIndex", () => {
  const lines = readFileSync(new URL("../vectors/indexes.jsonl", import.meta.url), "utf8");
  const vectors = lines
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

  it.each(vectors)("write and read what transformers writes (%#)", (vector) => {
    const weightMap = new Map<string, string>(Object.entries(vector.weight_map));
    const { total_size: totalSize, total_parameters: totalParameters } = vector.metadata;
    const bytes = encodeIndex({ totalSize, totalParameters, weightMap });
    expect(new TextDecoder().decode(bytes)).toBe(vector.text);
    const index = parseIndex(bytes, FILE);
    expect(index.weightMap).toEqual(weightMap);
    expect(numberOf(memberOf(index.metadata, "total_size"))).toBe(totalSize);
  });

  it("carry 100,000 tensors and keep one string a shard", () => {
    const weightMap = new Map<string, string>();
    for (let i = 0; i < 100_000; i++) weightMap.set(`t.${i}`, `model-${i % 7}.safetensors`);
    const index = parseIndex(encodeIndex({ totalSize: 1, weightMap }), FILE);
    expect(index.weightMap.size).toBe(100_000);
    expect(index.weightMap.get("t.99999")).toBe("model-4.safetensors");
  });
});

describe("parseIndex", () => {
  it("takes an index without metadata, and members it does not know", () => {
    const text = '{"weight_map":{"a":"m.safetensors"},"more":[{"x":NaN}]}';
    const index = parseIndex(bytesOf(text), FILE);
    expect(index.metadata.members.size).toBe(0);
    expect([...index.weightMap]).toEqual([["a", "m.safetensors"]]);
  });

  it("keeps the spelling of metadata", () => {
    const text = '{"metadata":{"total_size":1.5e10,"note":{"a":[1]}},"weight_map":{}}';
    const size = memberOf(parseIndex(bytesOf(text), FILE).metadata, "total_size");
    expect(size).toEqual({ kind: "number", text: "1.5e10" });
  });

  it("keeps a tensor called __proto__", () => {
    const { weightMap } = parseIndex(bytesOf('{"weight_map":{"__proto__":"m.safetensors"}}'), FILE);
    expect(weightMap.get("__proto__")).toBe("m.safetensors");
  });

  it.each([
    "../model.safetensors",
    "..\\model.safetensors",
    "..safetensors",
    "/etc/model.safetensors",
    "sub/model.safetensors",
    "C:model.safetensors",
    "C:\\model.safetensors",
    "a\u0000.safetensors",
    "a\n.safetensors",
    "model.bin",
    ".safetensors",
    "",
    "..",
    `${"n".repeat(255)}.safetensors`,
  ])("refuses the shard %j", (shard) => {
    const text = `{"weight_map":{"layer.w":${JSON.stringify(shard)}}}`;
    const error = formatErrorOf(() => parseIndex(bytesOf(text), FILE));
    expect(error).toMatchObject({ file: FILE, tensor: "layer.w", offset: 25 });
    expect(error.message).toMatch(/shard ".*", expected a (plain )?shard file name/s);
    const weightMap = new Map([["layer.w", shard]]);
    expect(() => encodeIndex({ totalSize: 1, weightMap })).toThrow(ArgumentError);
  });

  it.each([
    [
      "a tensor listed twice",
      '{"weight_map":{"a":"m.safetensors","a":"n.safetensors"}}',
      "this tensor is listed twice in weight_map",
      "a",
      35,
    ],
    [
      "weight_map twice",
      '{"weight_map":{},"weight_map":{}}',
      "weight_map appears twice",
      undefined,
      17,
    ],
    [
      "metadata twice",
      '{"metadata":{},"metadata":{},"weight_map":{}}',
      'the key "metadata" appears twice',
      undefined,
      15,
    ],
    ["no weight_map", '{"metadata":{}}', "weight_map is missing", undefined, 0],
    ["an array", "[]", "weight_map is missing", undefined, 0],
    [
      "metadata that is no object",
      '{"metadata":[],"weight_map":{}}',
      "metadata is array, expected an object",
      undefined,
      0,
    ],
    [
      "a weight_map that is a list",
      '{"weight_map":[]}',
      "got an array, expected weight_map to be an object",
      undefined,
      14,
    ],
    [
      "a weight_map that is null",
      '{"weight_map":null}',
      "got null, expected weight_map to be an object",
      undefined,
      14,
    ],
    [
      "a shard that is a number",
      '{"weight_map":{"a":1}}',
      "got a number, expected a shard file name",
      "a",
      19,
    ],
    [
      "a shard that is an object",
      '{"weight_map":{"a":{}}}',
      "got an object, expected a shard file name",
      "a",
      19,
    ],
    ["NUL in a name", '{"weight_map":{"a\\u0000":"m.safetensors"}}', "holds NUL", "a\0", 15],
    [
      "text that ends early",
      '{"weight_map":{',
      "the text ends where a key in double quotes or }",
      undefined,
      15,
    ],
  ])("refuses %s", (_name, text, message, tensor, offset) => {
    const error = formatErrorOf(() => parseIndex(bytesOf(text), FILE));
    expect(error.message).toContain(message);
    expect(error).toMatchObject({ file: FILE, tensor, offset });
  });
});

describe("encodeIndex", () => {
  it.each([1.5, -1, NaN, 2 ** 53])("refuses a total size of %d", (totalSize) => {
    expect(() => encodeIndex({ totalSize, weightMap: new Map() })).toThrow(ArgumentError);
  });
});
