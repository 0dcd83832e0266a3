import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  booleanOf,
  dumpPython,
  JSON_NULL,
  jsonArray,
  jsonBoolean,
  jsonNumber,
  jsonObject,
  jsonString,
  memberOf,
  numberOf,
  parseJson,
  parseJsonObject,
  pythonFloat,
  stringOf,
  withMember,
  withoutMember,
} from "../../../src/formats/json/index.ts";
import { formatErrorOf } from "../safetensors/files.ts";

describe("parseJson and dumpPython", () => {
  it("write what Python writes", () => {
    const vectors = readFileSync(new URL("../vectors/dumps.jsonl", import.meta.url), "utf8");
    for (const line of vectors.trimEnd().split("\n")) {
      const [text, indented, compact] = JSON.parse(line) as [string, string, string];
      const tree = parseJson(text);
      expect(dumpPython(tree, { indent: 2, sortKeys: true })).toBe(indented);
      expect(dumpPython(tree)).toBe(compact);
    }
  });

  it("keep the spelling of every number", () => {
    const text = "[1e-05, 10000.0, 1E5, 1.50, -0, 123456789012345678901234567890, NaN, -Infinity]";
    expect(dumpPython(parseJson(text))).toBe(text);
  });

  it("keep the order of members unless they are asked to sort", () => {
    const tree = parseJson('{"b":1,"a":{"d":2,"c":3}}');
    expect(dumpPython(tree)).toBe('{"b": 1, "a": {"d": 2, "c": 3}}');
    expect(dumpPython(tree, { sortKeys: true })).toBe('{"a": {"c": 3, "d": 2}, "b": 1}');
  });

  it("sort by code point, not by UTF-16 unit", () => {
    const tree = jsonObject([
      ["\u{10000}", JSON_NULL],
      ["\uffff", JSON_NULL],
      ["a", JSON_NULL],
    ]);
    expect(dumpPython(tree, { sortKeys: true })).toBe(
      '{"a": null, "\\uffff": null, "\\ud800\\udc00": null}',
    );
  });

  it("edit a config and leave the rest as it was", () => {
    const config = parseJsonObject(
      '{\n  "rms_norm_eps": 1e-05,\n  "a": [],\n  "theta": 10000.0\n}\n',
    );
    const section = jsonObject([
      ["llm_int8_threshold", jsonNumber(pythonFloat(6))],
      ["load_in_4bit", jsonBoolean(true)],
      ["modules", jsonArray([jsonString("lm_head")])],
    ]);
    const edited = withMember(config, "quantization_config", section);
    expect(dumpPython(edited, { indent: 2, sortKeys: true })).toBe(`{
  "a": [],
  "quantization_config": {
    "llm_int8_threshold": 6.0,
    "load_in_4bit": true,
    "modules": [
      "lm_head"
    ]
  },
  "rms_norm_eps": 1e-05,
  "theta": 10000.0
}`);
    expect(config.members.has("quantization_config")).toBe(false);
    expect(dumpPython(withoutMember(edited, "quantization_config"))).toBe(dumpPython(config));
  });

  it("take __proto__ for a name like any other", () => {
    const tree = parseJson('{"__proto__":{"polluted":true}}');
    expect(dumpPython(tree)).toBe('{"__proto__": {"polluted": true}}');
    expect(memberOf(tree, "constructor")).toBeUndefined();
    expect(Object.prototype).not.toHaveProperty("polluted");
  });
});

describe("The accessors", () => {
  it("give undefined for anything of another kind", () => {
    const tree = parseJson('{"s":"x","n":1e3,"b":false}');
    expect(stringOf(memberOf(tree, "s"))).toBe("x");
    expect(numberOf(memberOf(tree, "n"))).toBe(1000);
    expect(booleanOf(memberOf(tree, "b"))).toBe(false);
    expect(stringOf(memberOf(tree, "n"))).toBeUndefined();
    expect(numberOf(memberOf(tree, "s"))).toBeUndefined();
    expect(booleanOf(memberOf(tree, "none"))).toBeUndefined();
    expect(memberOf(memberOf(tree, "s"), "length")).toBeUndefined();
  });
});

describe("parseJson refuses", () => {
  it.each([
    ["nothing", "", "the text ends where a value is expected", 0],
    ["spaces alone", " \n", "the text ends where a value is expected", 2],
    ["a duplicate key", '{"a":1,"a":2}', 'the key "a" appears twice, expected once', 7],
    ["a duplicate key deep down", '[{"a":{"b":1,"\\u0062":2}}]', 'the key "b" appears twice', 13],
    ["a trailing comma", "[1,]", "unexpected ], expected a value", 3],
    ["a comment", "{} // x", "unexpected /, expected nothing but spaces after the end", 3],
    ["single quotes", "{'a':1}", "unexpected ', expected a key in double quotes or }", 1],
    ["a word", "nil", "nil is not a JSON value", 0],
    ["a capital word", "[True]", "True is not a JSON value", 1],
    ["a plus sign", "+1", "+1 is not a JSON value", 0],
    ["a bare fraction", "[.5]", ".5 is not a JSON value", 1],
    ["an empty exponent", "[1e]", "1e is not a JSON value", 1],
    ["a hexadecimal number", "[0x10]", "0x10 is not a JSON value", 1],
    ["an endless number", `[${"1".repeat(2000)}]`, "a number of more than 1024 bytes", 1],
    ["a lone surrogate", '"\\ud800"', "a \\u escape for half of a surrogate pair", 7],
    ["a text that ends early", '{"a":[1', "the text ends where a comma or the end", 7],
    ["deep nesting", "[".repeat(129), "nested deeper than 128 levels", 128],
    ["a byte order mark", "\ufeff{}", "unexpected byte 0xef, expected a value", 0],
  ])("%s", (_name, text, message, offset) => {
    const error = formatErrorOf(() => parseJson(text, "config.json"));
    expect(error.message).toContain(message);
    expect(error).toMatchObject({ file: "config.json", offset });
  });

  it("bytes that are not UTF-8", () => {
    const bytes = Uint8Array.of(0x22, 0x61, 0xc3, 0x22);
    expect(formatErrorOf(() => parseJson(bytes))).toMatchObject({ offset: 2 });
  });

  it("more values than it can hold", () => {
    const text = `[${"[],".repeat(1_000_000)}[]]`;
    expect(formatErrorOf(() => parseJson(text)).message).toContain("more than 1000000 values");
  });

  it("another value where an object is needed", () => {
    expect(formatErrorOf(() => parseJsonObject("[]", "config.json")).message).toBe(
      "config.json, byte 0: the text holds array, expected an object",
    );
  });
});
