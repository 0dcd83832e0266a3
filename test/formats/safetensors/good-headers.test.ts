import { describe, expect, it } from "vitest";
import { DTYPES, dtypeBits, HeaderParser } from "../../../src/formats/safetensors/index.ts";
import { entryText, fileOf, fileWith, parse } from "./files.ts";

describe("A safetensors header", () => {
  it("gives its tensors in data order, whatever order it lists them in", () => {
    const table = parse(
      fileWith(
        [
          entryText("c", "U8", "[3]", "[12,15]"),
          entryText("a", "F32", "[1,2]", "[0,8]"),
          entryText("b", "BF16", "[2]", "[8,12]"),
        ],
        15,
      ),
    );
    expect(table.length).toBe(3);
    expect(table.dataBytes).toBe(15);
    expect([...table]).toEqual([
      { name: "a", dtype: "F32", shape: [1, 2], begin: 0, end: 8 },
      { name: "b", dtype: "BF16", shape: [2], begin: 8, end: 12 },
      { name: "c", dtype: "U8", shape: [3], begin: 12, end: 15 },
    ]);
    expect(["a", "b", "c", "d"].map((name) => table.indexOf(name))).toEqual([0, 1, 2, -1]);
    expect(table.nameAt(2)).toBe("c");
  });

  it("may hold no tensors", () => {
    const table = parse(fileOf("{}"));
    expect(table.length).toBe(0);
    expect(table.metadata.size).toBe(0);
    expect(table.indexOf("")).toBe(-1);
    expect(() => table.at(0)).toThrow(RangeError);
  });

  it("may hold scalars and empty tensors at every border", () => {
    const table = parse(
      fileWith(
        [
          entryText("end", "F32", "[0]", "[8,8]"),
          entryText("first", "F32", "[]", "[0,4]"),
          entryText("start", "F32", "[4,0,2]", "[0,0]"),
          entryText("second", "I32", "[1]", "[4,8]"),
          entryText("between", "U64", "[0,9007199254740991]", "[4,4]"),
        ],
        8,
      ),
    );
    expect([...table].map((entry) => entry.name)).toEqual([
      "start",
      "first",
      "between",
      "second",
      "end",
    ]);
    expect(table.at(1).shape).toEqual([]);
    expect(table.at(2).shape).toEqual([0, 9007199254740991]);
  });

  it("may use every dtype of safetensors 0.8, with the size the reference gives it", () => {
    for (const dtype of DTYPES) {
      const bytes = dtypeBits(dtype);
      const table = parse(fileWith([entryText("a", dtype, "[8]", `[0,${bytes}]`)], bytes));
      expect(table.at(0)).toMatchObject({ dtype, begin: 0, end: bytes });
    }
  });

  it("may be padded with spaces, and with the other white space of JSON", () => {
    expect(
      parse(fileOf('{ "a" :\t{"dtype": "U8",\r\n"shape":[ ],"data_offsets":[0 , 1]} } \n', 1)),
    ).toHaveLength(1);
  });

  it("may escape names, and keeps names of any script and JavaScript's own", () => {
    const names = ["\u{1f600}é\ufeff", "__proto__", "constructor", "", "\ufeff", 'q"\\\n'];
    const entries = names.map((name, i) => entryText(name, "U8", "[1]", `[${i},${i + 1}]`));
    entries.push('"\\u00e9\\ud83d\\ude00\\/":{"dtype":"U8","shape":[1],"data_offsets":[6,7]}');
    const table = parse(fileWith(entries, 7));
    expect([...table].map(({ name }) => name)).toEqual([...names, "é\u{1f600}/"]);
    for (const [index, name] of names.entries()) expect(table.indexOf(name)).toBe(index);
    expect(table.indexOf("toString")).toBe(-1);
    expect(table.indexOf("\ud83d")).toBe(-1);
    expect(Object.prototype).not.toHaveProperty("dtype");
  });

  it("keeps __metadata__ as strings, also where it comes last or names __proto__", () => {
    const header = `{${entryText("a", "U8", "[0]", "[0,0]")},"__metadata__":{"format":"pt","__proto__":"x"}}`;
    expect([...parse(fileOf(header)).metadata]).toEqual([
      ["format", "pt"],
      ["__proto__", "x"],
    ]);
  });

  it("may describe more than 2^32 bytes", () => {
    const parser = new HeaderParser({ file: "large", fileByteLength: undefined });
    const size = 3 * 2 ** 40;
    const file = fileWith(
      [
        entryText("b", "U8", "[5]", `[${size},${size + 5}]`),
        entryText("a", "F64", `[3,${2 ** 37}]`, `[0,${size}]`),
      ],
      0,
    );
    expect(parser.push(file)).toBe(file.byteLength);
    const table = parser.finish();
    expect(table.at(1)).toMatchObject({ name: "b", begin: size, end: size + 5 });
    expect(table.dataBytes).toBe(size + 5);
  });

  it("is told apart from the data behind it", () => {
    const file = fileWith([entryText("a", "U8", "[5]", "[0,5]")], 5);
    const parser = new HeaderParser({ file: "x" });
    expect(parser.push(file.subarray(0, 5))).toBe(5);
    expect(parser.dataStart).toBeUndefined();
    expect(parser.push(file.subarray(5))).toBe(file.byteLength - 10);
    expect(parser.done).toBe(true);
    expect(parser.dataStart).toBe(file.byteLength - 5);
    expect(parser.push(file)).toBe(0);
  });

  it("is checked against the data's length where only that is known", () => {
    const file = fileWith([entryText("a", "U8", "[5]", "[0,5]")], 0);
    new HeaderParser({ file: "x", dataByteLength: 5 }).push(file);
    expect(() => new HeaderParser({ file: "x", dataByteLength: 4 }).push(file)).toThrow(
      /truncated/,
    );
    expect(() => new HeaderParser({ file: "x", dataByteLength: 6 }).push(file)).toThrow(/trailing/);
  });
});
