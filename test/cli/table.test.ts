import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  formatCount,
  formatDecibels,
  formatShare,
  formatSignificant,
} from "../../src/cli/figures.ts";
import {
  type Column,
  displayWidth,
  terminalWidth,
  textTable,
  truncateMiddle,
} from "../../src/cli/table.ts";

const columns: readonly Column[] = [
  { title: "tensor", align: "left", shrinks: true },
  { title: "scheme", align: "left" },
  { title: "error", align: "right" },
];

describe("textTable", () => {
  it("aligns text at the left and numbers at the right", () => {
    const rows = [
      ["model.embed_tokens.weight", "copy", "0 %"],
      ["lm_head.weight", "nf4", "12.31 %"],
    ];
    expect(textTable(columns, rows)).toBe(
      [
        "tensor                     scheme    error",
        "model.embed_tokens.weight  copy        0 %",
        "lm_head.weight             nf4     12.31 %",
        "",
      ].join("\n"),
    );
  });

  it("cuts the middle of names, and only that, to the terminal's width", () => {
    const rows = [["model.layers.17.self_attn.q_proj.weight", "nf4", "9.31 %"]];
    expect(textTable(columns, rows, { width: 40 })).toBe(
      [
        "tensor                    scheme   error",
        "model.layers…proj.weight  nf4     9.31 %",
        "",
      ].join("\n"),
    );
    // The name keeps 16 columns, the figures are never cut.
    expect(textTable(columns, rows, { width: 5 })).toContain("model.la….weight  nf4     9.31 %\n");
  });

  it("cuts nothing without a width, however long", () => {
    const name = `model.${"x".repeat(5000)}.weight`;
    expect(textTable(columns, [[name, "nf4", "1"]])).toContain(`${name}  nf4`);
    const strange = "ü".repeat(5000);
    expect(textTable(columns, [[strange, "nf4", "1"]])).toContain(`${strange}  nf4`);
  });

  it("keeps hostile names on their line", () => {
    const name = "a\n\u001b[2Jb\u202ec\u2028d\u0000";
    const text = textTable(columns, [[name, "nf4", "1"]]);
    expect(text.split("\n")).toHaveLength(3);
    expect(text).toContain("a\\u000a\\u001b[2Jb\\u202ec\\u2028d\\u0000  nf4");
  });

  it("escapes control characters anywhere in long names", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 900 }), fc.nat(), (name, at) => {
        const text = `${"x".repeat(at % 450)}😀${name}`;
        const line = textTable([{ title: "", align: "left" }], [[text]]).split("\n")[1] as string;
        expect(line).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u);
        expect(line).toContain("😀");
      }),
    );
  });

  it("fits the width whenever the name has enough to give", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: "grapheme", maxLength: 60 }), { maxLength: 8 }),
        fc.integer({ min: 40, max: 120 }),
        (names, width) => {
          const rows = names.map((name) => [name, "llm-int8", "100.00 %"]);
          for (const line of textTable(columns, rows, { width }).split("\n")) {
            expect(displayWidth(line)).toBeLessThanOrEqual(width);
          }
        },
      ),
    );
  });

  it("is a line of titles without rows, and pads rows that are short", () => {
    expect(textTable(columns, [])).toBe("tensor  scheme  error\n");
    expect(textTable(columns, [["a"]])).toBe("tensor  scheme  error\na\n");
  });
});

describe("truncateMiddle", () => {
  it("keeps both ends and whole characters", () => {
    expect(truncateMiddle("abcdefgh", 8)).toBe("abcdefgh");
    expect(truncateMiddle("abcdefgh", 5)).toBe("ab…gh");
    expect(truncateMiddle("abcdefgh", 1)).toBe("…");
    expect(truncateMiddle("abcdefgh", 0)).toBe("");
    expect(truncateMiddle("層層層層層", 7)).toBe("層…層層");
    expect(truncateMiddle("👩‍🔬👩‍🔬👩‍🔬👩‍🔬", 7)).toMatch(/^(👩‍🔬)?…(👩‍🔬)?$/u);
  });
});

describe("displayWidth", () => {
  it("knows wide letters and combining marks", () => {
    expect(displayWidth("abc")).toBe(3);
    expect(displayWidth("層")).toBe(2);
    expect(displayWidth("e\u0301")).toBe(1);
    expect(displayWidth("…")).toBe(1);
  });
});

describe("terminalWidth", () => {
  it("is known only when a person looks", () => {
    expect(terminalWidth({ isTTY: true, columns: 80 })).toBe(80);
    expect(terminalWidth({ isTTY: true, columns: 0 })).toBeUndefined();
    expect(terminalWidth({ columns: 80 })).toBeUndefined();
    expect(terminalWidth({ isTTY: false, columns: 80 })).toBeUndefined();
  });
});

describe("figures", () => {
  it.each([
    [0, "0"],
    [0.09314, "0.0931"],
    [12.345, "12.3"],
    [123.45, "123"],
    [0.00012345, "0.000123"],
    [4.1e-7, "4.1e-7"],
    [2.5e9, "2.5e9"],
    [-0.5, "-0.500"],
    [Number.POSITIVE_INFINITY, "∞"],
    [Number.NaN, "–"],
  ])("%d is %s", (value, text) => {
    expect(formatSignificant(value)).toBe(text);
  });

  it("have their units", () => {
    expect(formatShare(0.09314)).toBe("9.31 %");
    expect(formatShare(Number.POSITIVE_INFINITY)).toBe("∞");
    expect(formatDecibels(20.618)).toBe("20.6 dB");
    expect(formatDecibels(Number.POSITIVE_INFINITY)).toBe("∞ dB");
    expect(formatCount(1234567)).toBe("1,234,567");
    expect(formatCount(999)).toBe("999");
  });
});
