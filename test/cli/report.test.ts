import { createHash } from "node:crypto";
import { Script } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareReport } from "../../src/cli/report/compare-report.ts";
import type { CompareReport, ReportTensor } from "../../src/cli/report/data.ts";
import type { PageData } from "../../src/cli/report/page-data.ts";
import { type ComparisonSums, TensorComparison } from "../../src/metrics/comparison.ts";
import { NF4 } from "../../src/schemes/nf4.ts";

/** Sums of `count` weights of 1 that became 1 + error. */
function sums(error: number, count = 64): ComparisonSums {
  const comparison = new TensorComparison();
  const original = new Float32Array(count).fill(1);
  comparison.add(
    original,
    original.map((w) => w + error),
    { saturated: 3 },
  );
  return comparison.sums();
}

function tensor(name: string, error: number, more: Partial<ReportTensor> = {}): ReportTensor {
  return {
    name,
    shape: [8, 8],
    dtype: "bfloat16",
    storedAs: "nf4",
    isQuantized: true,
    storedBytes: 36,
    sums: sums(error),
    ...more,
  };
}

const floats = { storedAs: "bfloat16", isQuantized: false, storedBytes: 128 };

function report(more: Partial<CompareReport> = {}): CompareReport {
  return {
    version: "1.2.3",
    original: { name: "tiny", bytes: 1280 },
    quantized: { name: "tiny-nf4", bytes: 400 },
    tensors: [tensor("model.layers.0.mlp.up_proj.weight", 0.25), tensor("norm.weight", 0, floats)],
    histograms: [],
    schemes: [],
    warnings: [],
    ...more,
  };
}

const histogram = (name: string) => ({
  tensor: name,
  storedAs: "nf4",
  counts: {
    lowest: -1,
    highest: 1,
    counts: Array.from({ length: 128 }, (_, i) => i * 1000),
    below: 1,
    above: 2,
    nonFinite: 0,
  },
  levels: Array.from(NF4.levels),
  scale: 0.5,
});

const schemes = ["fp4, block 64", "nf4, block 64", "int8"].map((scheme, i) => ({
  scheme,
  bitsPerWeight: 4 + i,
  relativeRms: 0.1 / (i + 1),
}));

/** What stands between the tags of every script and style element. */
function elements(page: string, tag: "script" | "style"): string[] {
  return [...page.matchAll(new RegExp(`<${tag}\\b[^>]*>([\\s\\S]*?)</${tag}`, "gi"))].map(
    ([, text]) => text as string,
  );
}

function dataOf(page: string): PageData {
  return JSON.parse(elements(page, "script")[0] as string) as PageData;
}

/** The text of the cells of each row of the table of tensors. */
function tensorRows(page: string): string[][] {
  const table = /<table id="tensors">[\s\S]*?<tbody>([\s\S]*?)<\/tbody>/.exec(page)?.[1] ?? "";
  return table
    .split("</tr>")
    .slice(0, -1)
    .map((row) =>
      [...row.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/gs)].map(([, cell]) =>
        (cell as string).replace(/<[^>]*>/g, ""),
      ),
    );
}

const large = report({
  tensors: Array.from({ length: 300 }, (_, i) =>
    tensor(
      `model.language_model.layers.${Math.floor(i / 7)}.self_attn.q${i % 7}_proj.weight`,
      (i + 1) / 1000,
    ),
  ),
  histograms: [0, 1, 2, 3].map((layer) => histogram(`model.layers.${layer}.weight`)),
  schemes,
});

describe("the page", () => {
  it("needs no network: no address, no import, no link but an empty icon", () => {
    const page = compareReport(large);
    expect(page.match(/https?:|(["'(=])\/\/\w/i)).toBeNull();
    expect(
      page.match(/@import|url\(|@font-face|\bimport\s*\(|fetch\(|XMLHttpRequest|WebSocket/),
    ).toBeNull();
    expect(page.match(/<(?:link|img|iframe|object|embed|base|form)\b[^>]*>/gi)).toEqual([
      '<link rel="icon" href="data:,">',
    ]);
    expect(page.match(/<(?:script|style)[^>]*\bsrc=/)).toBeNull();
  });

  it("runs nothing but its own script: the policy names its hash", () => {
    const page = compareReport(large);
    const policy = /Content-Security-Policy" content="([^"]*)"/
      .exec(page)?.[1]
      ?.replaceAll("&#39;", "'");
    const hash = (text: string | undefined) =>
      `'sha256-${createHash("sha256")
        .update(text ?? "")
        .digest("base64")}'`;
    expect(policy?.split("; ")).toEqual([
      "default-src 'none'",
      "img-src data:",
      `script-src ${hash(elements(page, "script")[1])}`,
      `style-src ${hash(elements(page, "style")[0])}`,
      "base-uri 'none'",
      "form-action 'none'",
    ]);
    expect(page.match(/\son\w+=|\sstyle=/)).toBeNull();
  });

  it("has a script that parses, and uPlot's licence", () => {
    const page = compareReport(report());
    expect(() => new Script(elements(page, "script")[1] as string)).not.toThrow();
    expect(page).toMatch(/<!--[\s\S]*MIT License[\s\S]*Leon Sorokin[\s\S]*-->\n<\/body>/);
  });

  it("stays below 250 kB for 300 tensors", () => {
    expect(Buffer.byteLength(compareReport(large))).toBeLessThan(250_000);
  });

  it("is the same for the same data", () => {
    expect(compareReport(large)).toBe(compareReport(structuredClone(large)));
  });

  it("has every tensor, worst first in the table and in the model's order in the data", () => {
    const page = compareReport(large);
    const names = large.tensors.map(({ name }) => name);
    expect(dataOf(page).tensors.names).toEqual(names);
    const rows = tensorRows(page);
    expect(rows.map((cells) => cells[1])).toEqual(names.toReversed());
    expect(rows.map((cells) => Number(cells[0]))).toEqual(names.map((_, i) => 299 - i));
  });
});

describe("figures on the page", () => {
  const page = compareReport(
    report({
      tensors: [
        tensor("a.0.x.weight", 0.5),
        tensor("a.1.x.weight", 0.25, { sums: sums(0.25, 192), shape: [24, 8], storedBytes: 108 }),
        tensor("norm.weight", 0, floats),
      ],
    }),
  );

  it("adds sums: (64·0.5² + 192·0.25²) / 256 = 0.109375 of the quantized weights", () => {
    // √0.109375 = 0.33072; 10·log10(1 / 0.109375) = 9.61 dB; (36 + 108)·8 / 256 = 4.5 bits.
    const headline = /<dl class="headline">[\s\S]*?<\/dl>/.exec(page)?.[0];
    expect(headline).toContain("<b>33.1 %</b>");
    expect(headline).toContain("<b>9.6 dB</b>");
    expect(headline).toContain("<b>4.500</b>");
    expect(headline).toContain("<b>400 B</b> <span>from 1.28 kB, 3.20 × smaller</span>");
  });

  it("has totals by how tensors are stored, and of all", () => {
    const totals = /<table class="totals">[\s\S]*?<\/table>/.exec(page)?.[0] ?? "";
    const rows = [...totals.matchAll(/<tr><th scope="row">(.*?)<\/tr>/gs)].map(([row]) =>
      row
        .replace(/<[^>]*>/g, " ")
        .trim()
        .split(/ {2,}/)
        .join("|"),
    );
    expect(rows).toEqual([
      // 6 of 256 codes are saturated; cosine (64·1.5 + 192·1.25) / √(256·(64·1.5² + 192·1.25²)).
      "nf4|33.1 %|9.6 dB|0.500|0.996616|2.34 %|–|0|4.500|144 B|2|256",
      "bfloat16|0 %|∞ dB|0|1|4.69 %|–|0|16.000|128 B|1|64",
      // √(28 / 320) = 0.2958; cosine 400 / √(320·508).
      "all|29.6 %|10.6 dB|0.500|0.992095|2.81 %|–|0|6.800|272 B|3|320",
    ]);
  });

  it("has a row a tensor", () => {
    expect(tensorRows(page)[0]).toEqual([
      "0",
      "a.0.x.weight",
      "50.0 %",
      "6.0 dB",
      "0.500",
      "1",
      "4.69 %",
      "–",
      "0",
      "4.500",
      "nf4",
      "8 × 8",
    ]);
  });

  it("compares the model itself with the schemes", () => {
    const own = dataOf(compareReport(report({ schemes })));
    expect(own.schemes).toEqual([
      { scheme: "fp4, block 64", bitsPerWeight: 4, relativeRms: 0.1 },
      { scheme: "nf4, block 64", bitsPerWeight: 5, relativeRms: 0.05 },
      { scheme: "int8", bitsPerWeight: 6, relativeRms: 0.0333333 },
    ]);
    // The norm is not quantized and does not count.
    expect(own.own).toEqual({ scheme: "this model", bitsPerWeight: 4.5, relativeRms: 0.25 });
  });

  it("puts levels where the scale puts them", () => {
    const [first] = dataOf(compareReport(report({ histograms: [histogram("w")] }))).histograms;
    expect(first).toMatchObject({ lowest: -1, highest: 1, outside: 3, scale: 0.5 });
    expect(first?.levels.slice(0, 2)).toEqual([-0.5, -0.348096]);
    expect(first?.levels.at(-1)).toBe(0.5);
  });
});

describe("special models", () => {
  it("without tensors, histograms and schemes: no section for them", () => {
    const page = compareReport(report({ tensors: [] }));
    expect(page.match(/id="(errors|levels|schemes|tensors)"/)).toBeNull();
    expect(page).toContain("of all weights: none is quantized");
    expect(dataOf(page).own).toBeNull();
  });

  it("with infinite errors: worst of all in the table, null in the data", () => {
    const zeros = new TensorComparison();
    zeros.add(Float32Array.of(0, 0), Float32Array.of(0, 1));
    const page = compareReport(
      report({ tensors: [tensor("a", 0.5), tensor("b", 0, { sums: zeros.sums() })], schemes }),
    );
    expect(tensorRows(page).map((cells) => cells.slice(1, 4))).toEqual([
      ["b", "∞", "-∞ dB"],
      ["a", "50.0 %", "6.0 dB"],
    ]);
    expect(dataOf(page).tensors.relativeRms).toEqual([0.5, null]);
    expect(page.match(/>(?:NaN|undefined)[< ]/)).toBeNull();
  });

  it("shows what a reader must know", () => {
    const page = compareReport(report({ warnings: ["1 tensor is only in <tiny>", "sampled"] }));
    expect(page).toContain("<li>1 tensor is only in &lt;tiny&gt;</li><li>sampled</li>");
    expect(compareReport(report()).includes('class="warnings"')).toBe(false);
  });
});

describe("names from files", () => {
  const hostile = [
    `</script><script>alert(1)</script>`,
    `<!--<script>`,
    `"><img src=x onerror=alert(1)>`,
    `' onmouseover='alert(1)`,
    `a\u2028b\u202ec\u0000d\ne`,
    `&lt;b&gt;`,
    `]]></style></title></textarea>`,
    `\${x}\\`,
    `__proto__`,
  ];

  function pageOf(names: readonly string[]): string {
    return compareReport(
      report({
        original: { name: names[0] ?? "", bytes: 1 },
        quantized: { name: names.at(-1) ?? "", bytes: 1 },
        tensors: names.map((name, i) =>
          tensor(name, i / 10, { storedAs: name, dtype: name, isQuantized: i % 2 === 0 }),
        ),
        histograms: names.map((name) => ({ ...histogram(name), storedAs: name })),
        schemes: names.map((scheme) => ({ scheme, bitsPerWeight: 4, relativeRms: 0.1 })),
        warnings: names,
      }),
    );
  }

  /** Tags and comments: what a parser would see as markup. */
  function skeleton(page: string): string[] {
    const script = elements(page, "script")[1] as string;
    const bare = page.replace(script, "");
    return [...bare.matchAll(/<(?:!--|!doctype|\/?[a-z][a-z0-9]*)/gi)].map(([tag]) => tag);
  }

  it("never become markup", () => {
    const harmless = skeleton(pageOf(hostile.map((_, i) => `name${i}`)));
    expect(skeleton(pageOf(hostile))).toEqual(harmless);
    fc.assert(
      fc.property(
        fc.uniqueArray(
          fc
            .oneof(
              fc.string({ unit: fc.constantFrom(..."<>/!-&\"'=scriptyle \n") }),
              fc.string({ unit: "binary" }),
            )
            .map((name) => name.replaceAll(".", "")),
          { minLength: 3, maxLength: 3 },
        ),
        (names) => {
          const page = pageOf(names);
          expect(skeleton(page)).toEqual(skeleton(pageOf(["a", "b", "c"])));
          expect(elements(page, "script")).toHaveLength(2);
          expect(() => dataOf(page)).not.toThrow();
        },
      ),
      { numRuns: 50 },
    );
  });

  it("are all there, with control characters made visible", () => {
    const { names } = dataOf(pageOf(hostile)).tensors;
    expect(names).toEqual(
      hostile.map((name) =>
        name.replace("a\u2028b\u202ec\u0000d\ne", "a\\u2028b\\u202ec\\u0000d\\u000ae"),
      ),
    );
  });

  it("have no control character and no direction override on the page", () => {
    expect(pageOf(hostile).match(/[\p{Zl}\p{Zp}\p{Bidi_Control}\0]/u)).toBeNull();
  });
});
