/** Double quantization of affine scales: which coding a group gets, and what comes back. */

import { describe, expect, it } from "vitest";
import { dequantize, type QuantizedAffine, quantize } from "../../src/index.ts";
import { nestScales, unnestScales } from "../../src/tensor/nested-scale.ts";
import { normalFloats, randomFrom } from "../checkpoint/safetensors-files.ts";

const never = () => false;

/** Codes a group; the scales that come back, too. */
function nest(list: readonly number[], isZero: (index: number) => boolean = never) {
  const scales = Float32Array.from(list);
  const codes = new Uint8Array(list.length).fill(99);
  const [base, step] = nestScales(scales, isZero, codes);
  const ranges = Float32Array.of(base, step);
  const back = new Float32Array(list.length);
  unnestScales(codes, { blockSize: 256, ranges }, 0, back);
  expect([...back]).toEqual([...scales]);
  return { codes: [...codes], base, step, back: [...back] };
}

/** A group of 200 scales, the largest `span` times the smallest. */
function spread(span: number): number[] {
  const random = randomFrom(7);
  const between = Array.from({ length: 198 }, () => Math.fround(span ** random()));
  return [1, ...between, Math.fround(span)];
}

describe("a group of scales", () => {
  it("that are equal comes back exactly", () => {
    const { codes, base, step, back } = nest([0.0371, 0.0371, 0.0371].map(Math.fround));
    expect(codes).toEqual([1, 1, 1]);
    expect([base, step]).toEqual([Math.fround(0.0371), 0]);
    expect(back).toEqual([base, base, base]);
  });

  it("that spans 64 : 1 has equal steps, a wider one the dynamic map", () => {
    expect(nest([1, 64]).step).toBe(Math.fround(63 / 254));
    const justWider = nest([1, 64 + 2 ** -17]);
    expect([justWider.base, justWider.step]).toEqual([64 + 2 ** -17, -1]);
    expect(nest([1, 64]).codes).toEqual([1, 255]);
    expect(nest([1, 1000]).codes[1]).toBe(255);
  });

  it("of equal steps is off by half a step at most", () => {
    for (const span of [1.001, 2, 10, 64]) {
      const scales = spread(span);
      const { back, step, codes } = nest(scales);
      expect(step).toBeGreaterThan(0);
      for (const [i, scale] of scales.entries()) {
        const gap = Math.abs(scale - (back[i] as number));
        expect(gap).toBeLessThanOrEqual(step * 0.5 + scale * 2 ** -22);
        expect(codes[i]).toBeGreaterThan(0);
      }
    }
  });

  it("of the dynamic map is finest at its largest scales, and never becomes 0", () => {
    const scales = spread(1000);
    const { back, codes } = nest(scales);
    for (const [i, scale] of scales.entries()) {
      // 128 levels from a tenth of the largest up, half as many in each decade below.
      const decade = Math.ceil(Math.log10(1000 / scale) - 1e-9);
      expect(Math.abs(scale / (back[i] as number) - 1)).toBeLessThan(0.02 * 2 ** decade);
      expect(codes[i]).toBeGreaterThan(0);
    }
    // Beyond the map's seven decades the smallest level remains.
    const [tiny] = nest([1e-12, 1]).back as [number, number];
    expect(tiny).toBeGreaterThan(0);
    expect(nest([1e-30, 1e-20]).back.every((scale) => scale > 0)).toBe(true);
    expect(nest([2 ** -126, 1]).back[0]).toBeGreaterThanOrEqual(2 ** -126);
  });

  it("leaves out the blocks of zeros, whose scale is 1", () => {
    const { codes, base, step, back } = nest([2, 1, 3, 1], (i) => i % 2 === 1);
    expect(codes).toEqual([1, 0, 255, 0]);
    expect(base).toBe(2);
    expect(step).toBe(Math.fround(1 / 254));
    expect(back[1]).toBe(1);
    expect(back[3]).toBe(1);
  });

  it("of zeros alone has no range", () => {
    const { codes, base, step, back } = nest([1, 1, 1], () => true);
    expect([base, step]).toEqual([0, 0]);
    expect(codes).toEqual([0, 0, 0]);
    expect(back).toEqual([1, 1, 1]);
  });
});

describe("a tensor with nested scales", () => {
  const weights = normalFloats(257 * 64, 3);
  const shape = [257, 64];
  const record = quantize(weights, { quantType: "int4", shape });

  it("has two bytes a block and a pair of floats for 256 of them", () => {
    expect(record.scale).toBeInstanceOf(Uint8Array);
    expect(record.zeroPoint).toBeInstanceOf(Int8Array);
    expect(record.scale.byteLength + (record.zeroPoint?.byteLength ?? 0)).toBe(2 * 257);
    expect(record.nested?.ranges).toHaveLength(2 * 2);
    const plain = quantize(weights, { quantType: "int4", shape, doubleQuant: false });
    expect(plain.scale.byteLength + (plain.zeroPoint?.byteLength ?? 0)).toBe(8 * 257);
    // Zero points are stored as they are.
    expect([...(record.zeroPoint as Int8Array)]).toEqual([...(plain.zeroPoint as Float32Array)]);
  });

  it("stores the zero points of unsigned codes without a sign, and none when symmetric", () => {
    const unsigned = quantize(weights, { quantType: "uint8", shape, doubleQuant: true });
    expect(unsigned.zeroPoint).toBeInstanceOf(Uint8Array);
    const symmetric = quantize(weights, { quantType: "int4", shape, symmetric: true });
    expect(symmetric.zeroPoint).toBeUndefined();
    expect(symmetric.scale).toBeInstanceOf(Uint8Array);
  });

  it("has codes for the scales that come back, not for those that went in", () => {
    const scales = new Float32Array(257);
    unnestScales(record.scale as Uint8Array, record.nested as never, 0, scales);
    const zeroPoints = record.zeroPoint as Int8Array;
    let differing = 0;
    const plain = quantize(weights, { quantType: "int4", shape, doubleQuant: false });
    weights.forEach((weight, i) => {
      const s = Math.floor(i / 64);
      const nibble = ((record.codes[i >> 1] as number) >> (4 * (i % 2))) & 15;
      const code = nibble > 7 ? nibble - 16 : nibble;
      const quotient = Math.fround(weight / (scales[s] as number));
      // No quotient of these weights is a tie.
      const expected = Math.round(quotient) + (zeroPoints[s] as number);
      expect(code).toBe(Math.min(7, Math.max(-8, expected)));
      if (record.codes[i >> 1] !== plain.codes[i >> 1]) differing++;
    });
    expect(differing).toBeGreaterThan(0);
  });

  it.each([2, 60, 65, 1000])("is hardly worse when its scales span %d : 1", (span) => {
    const random = randomFrom(3);
    const uneven = weights.slice();
    for (let block = 0; block < 257; block++) {
      const size = span ** random();
      for (let i = 64 * block; i < 64 * (block + 1); i++) uneven[i] = (uneven[i] as number) * size;
    }
    const errorOf = (doubleQuant: boolean) => {
      const made: QuantizedAffine = quantize(uneven, { quantType: "int4", shape, doubleQuant });
      const restored = dequantize(made);
      return Math.sqrt(uneven.reduce((sum, w, i) => sum + (w - (restored[i] as number)) ** 2, 0));
    };
    expect(errorOf(true) / errorOf(false)).toBeLessThan(1.01);
  });
});
