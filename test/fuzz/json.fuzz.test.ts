import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  compareCodePoints,
  dumpPython,
  type JsonValue,
  parseJson,
  pythonFloat,
  pythonString,
} from "../../src/formats/json/index.ts";
import { encodeIndex, parseIndex } from "../../src/formats/safetensors/index.ts";
import { FormatError } from "../../src/foundation/errors.ts";

/** A tree as JSON.parse would give it. */
function plain(tree: JsonValue): unknown {
  switch (tree.kind) {
    case "object":
      return Object.fromEntries([...tree.members].map(([key, value]) => [key, plain(value)]));
    case "array":
      return tree.items.map(plain);
    case "number":
      return Number(tree.text);
    case "null":
      return null;
    default:
      return tree.value;
  }
}

describe("parseJson", () => {
  it("reads what JSON.stringify writes, and dumps text that JSON.parse reads", () => {
    const values = fc.jsonValue({ stringUnit: "binary" });
    fc.assert(
      fc.property(values, fc.constantFrom(undefined, 2), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        const tree = parseJson(text);
        expect(plain(tree)).toEqual(JSON.parse(text));
        const dumped = dumpPython(tree, { indent, sortKeys: true });
        expect(JSON.parse(dumped)).toEqual(JSON.parse(text));
        expect(dumpPython(parseJson(dumped), { indent })).toBe(dumped);
      }),
      { numRuns: 500 },
    );
  });

  it("accepts damaged text exactly when JSON.parse does, but for duplicates and Python's words", () => {
    const edits = fc.tuple(
      fc.nat(),
      fc.nat(3),
      fc.constantFrom(
        ...'{}[],:"\\-+.eE0179 tfn\n\u0001',
        "NaN",
        "Infinity",
        "null",
        "\\u00",
        "\\uD800",
      ),
    );
    fc.assert(
      fc.property(fc.json({ maxDepth: 3 }), edits, (json, [at, removed, inserted]) => {
        const from = at % (json.length + 1);
        const text = json.slice(0, from) + inserted + json.slice(from + removed);
        fc.pre(!/\p{Surrogate}/u.test(text));
        let tree: JsonValue;
        try {
          tree = parseJson(text);
        } catch (error) {
          if (!(error instanceof FormatError)) throw error;
          if (/twice|surrogate/.test(error.message)) return;
          expect(() => JSON.parse(text), error.message).toThrow();
          return;
        }
        if (!/NaN|Infinity/.test(dumpPython(tree))) JSON.parse(text);
      }),
      { numRuns: 3000 },
    );
  });
});

describe("Python's spelling", () => {
  it("of a double reads back as the same double", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true }), (x) => {
        expect(Object.is(Number(pythonFloat(x)), x)).toBe(true);
        expect(pythonFloat(x)).toMatch(/^-?(\d+\.\d+|\d(\.\d+)?e[+-]\d\d+|Infinity)$/);
      }),
      { numRuns: 2000 },
    );
  });

  it("of a string is ASCII and reads back as the same string", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.integer({ max: 0xffff }).map((c) => String.fromCharCode(c)) }),
        (text) => {
          expect(pythonString(text)).toMatch(/^[ -~]*$/);
          expect(JSON.parse(pythonString(text))).toBe(text);
        },
      ),
    );
  });

  it("sorts as UTF-8 bytes sort", () => {
    const texts = fc.string({ unit: "binary", maxLength: 4 });
    fc.assert(
      fc.property(texts, texts, (a, b) => {
        const expected = Buffer.compare(Buffer.from(a), Buffer.from(b));
        expect(Math.sign(compareCodePoints(a, b))).toBe(expected);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("A checkpoint index", () => {
  it("is read back as it was written", () => {
    const names = fc.string({ unit: "binary" }).filter((name) => !name.includes("\0"));
    const shards = fc.nat(20).map((n) => `model-${n}.safetensors`);
    fc.assert(
      fc.property(fc.array(fc.tuple(names, shards)), fc.nat(), (pairs, totalSize) => {
        const weightMap = new Map(pairs);
        const bytes = encodeIndex({ totalSize, weightMap });
        const sorted = [...weightMap].sort(([a], [b]) => compareCodePoints(a, b));
        expect([...parseIndex(bytes, "i").weightMap]).toEqual(sorted);
      }),
      { numRuns: 300 },
    );
  });

  it("gives a FormatError when it is damaged, or an index", () => {
    const text =
      '{"metadata":{"total_size":1},"weight_map":{"a":"m-1.safetensors","b":"m-2.safetensors"}}';
    const edits = fc.tuple(fc.nat(text.length), fc.nat(4), fc.constantFrom(...'{}[]",:\\/.0a', ""));
    fc.assert(
      fc.property(edits, ([at, removed, inserted]) => {
        const damaged = text.slice(0, at) + inserted + text.slice(at + removed);
        try {
          const { weightMap } = parseIndex(new TextEncoder().encode(damaged), "i");
          for (const shard of weightMap.values()) expect(shard).toMatch(/^[^/\\:]+\.safetensors$/);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
