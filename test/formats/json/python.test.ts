import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { pythonFloat, pythonString } from "../../../src/formats/json/index.ts";

describe("pythonFloat", () => {
  it("spells every double as Python does", () => {
    const vectors = readFileSync(new URL("../vectors/floats.txt", import.meta.url), "utf8");
    for (const line of vectors.trimEnd().split("\n")) {
      const [bytes = "", text] = line.split(" ");
      expect(pythonFloat(Buffer.from(bytes, "hex").readDoubleBE())).toBe(text);
    }
  });

  it("keeps a fraction, and two digits in an exponent", () => {
    const spelled = [6, -0, 1e15, 1e16, 1e-4, 9.5e-5, 1e100, 0.1].map(pythonFloat);
    const python = [
      "6.0",
      "-0.0",
      "1000000000000000.0",
      "1e+16",
      "0.0001",
      "9.5e-05",
      "1e+100",
      "0.1",
    ];
    expect(spelled).toEqual(python);
  });

  it("writes NaN and the infinities as bare words", () => {
    expect([NaN, Infinity, -Infinity].map(pythonFloat)).toEqual(["NaN", "Infinity", "-Infinity"]);
  });
});

describe("pythonString", () => {
  it("escapes everything outside printable ASCII", () => {
    expect(pythonString('a"\\/\b\f\n\r\t\u0001\u007f\u0080é\u2028\ufeff😀')).toBe(
      '"a\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u007f\\u0080\\u00e9\\u2028\\ufeff\\ud83d\\ude00"',
    );
  });

  it("keeps half of a surrogate pair as its escape", () => {
    expect(pythonString("\ud800x")).toBe('"\\ud800x"');
  });
});
