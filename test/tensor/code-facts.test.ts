import { describe, expect, it } from "vitest";
import { dequantize, type QuantizeOptions, quantize } from "../../src/index.ts";
import { QUANT_TYPES, type QuantType } from "../../src/schemes/index.ts";
import { codeFactsOf } from "../../src/tensor/code-facts.ts";

/** Levels (how many, the lowest, the highest, the largest step), and the bytes of both end codes. */
const FACTS: Readonly<
  Record<
    QuantType,
    readonly [count: number, low: number, high: number, step: number, codes: readonly number[]]
  >
> = {
  nf4: [16, -1, 1, 1 - 0.6961928009986877, [0, 15]],
  // Two codes are 0.
  fp4: [15, -1, 1, 1 / 3, [11, 3]],
  af4: [16, -1, 1, 1 - 0.69441008, [0, 15]],
  dynamic8: [256, -0.99296874, 1, 0.9 / 64, [0, 255]],
  "llm-int8": [255, -127, 127, 1 + 2 * 127 * 2 ** -11, [0x81, 0x7f]],
  int4: [16, -8, 7, 1, [0xf8, 7]],
  int8: [256, -128, 127, 1, [0x80, 0x7f]],
  uint4: [16, 0, 15, 1, [0, 15]],
  uint8: [256, 0, 255, 1, [0, 255]],
  // Signed zeros are one level; NaN and infinity are none.
  mxfp4: [15, -6, 6, 2, [0xf, 7]],
  nvfp4: [15, -6, 6, 2, [0xf, 7]],
  mxfp8: [253, -448, 448, 32, [0xfe, 0x7e]],
  "fp8-e4m3": [253, -448, 448, 32, [0xfe, 0x7e]],
  "mxfp8-e5m2": [247, -57344, 57344, 8192, [0xfb, 0x7b]],
  "fp8-e5m2": [247, -57344, 57344, 8192, [0xfb, 0x7b]],
};

/** A record whose scales are all 1, and whose codes are all there are. */
function everyCode(quantType: QuantType): Float32Array {
  const options: QuantizeOptions & { quantType: QuantType } = { quantType, shape: [1, 256] };
  const record = quantize(new Float32Array(256).fill(1), {
    ...options,
    ...(/^(nf4|fp4|af4|int4|uint4)$/.test(quantType) ? { doubleQuant: false } : {}),
    ...(/^(nf4|fp4|af4|dynamic8)$/.test(quantType) ? { blockSize: 256 } : {}),
  });
  const { codes } = record;
  for (let i = 0; i < codes.length; i++) codes[i] = i;
  const parts = record as unknown as Record<string, { fill(value: number): void } | undefined>;
  parts.absmax?.fill(1);
  parts.scb?.fill(127);
  parts.zeroPoint?.fill(0);
  parts.scale?.fill(quantType.startsWith("mxfp") ? 127 : quantType === "nvfp4" ? 0x38 : 1);
  return dequantize(
    quantType === "nvfp4" ? ({ ...record, tensorScale: 1 } as typeof record) : record,
  );
}

it("all quant types are listed", () => {
  expect(Object.keys(FACTS).sort()).toEqual([...QUANT_TYPES].sort());
});

describe.each(QUANT_TYPES)("%s", (quantType) => {
  const { levels, lowest, highest, halfStep } = codeFactsOf(quantType);
  const [count, low, high, step, ends] = FACTS[quantType];

  it("has its levels, ascending, none twice", () => {
    expect(levels).toHaveLength(count);
    expect(levels[0]).toBeCloseTo(low, 7);
    expect(levels.at(-1)).toBeCloseTo(high, 7);
    for (const [i, level] of levels.slice(1).entries()) {
      expect(level).toBeGreaterThan(levels[i] as number);
    }
    expect(levels.some((level) => Object.is(level, -0))).toBe(false);
    expect(levels).toContain(0);
  });

  it("has both end codes and the largest step", () => {
    expect([lowest, highest]).toEqual(ends);
    expect(halfStep).toBeCloseTo(step / 2, 7);
  });

  it("has the levels that its codes decode to at scale 1, and no other", () => {
    const decoded = everyCode(quantType);
    const finite = new Set([...decoded].filter(Number.isFinite).map((level) => level + 0));
    // LLM.int8 never writes −128.
    if (quantType === "llm-int8") finite.delete(Math.fround(-128 * 127 * Math.fround(1 / 127)));
    const sorted = [...finite].sort((a, b) => a - b);
    expect(sorted).toHaveLength(levels.length);
    for (const [i, level] of levels.entries()) expect(sorted[i]).toBeCloseTo(level, 4);
  });
});
