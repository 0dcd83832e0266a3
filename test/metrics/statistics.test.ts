import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type StatisticsFigures,
  statisticsJson,
  TensorStatistics,
} from "../../src/metrics/statistics.ts";
import { cuts, tilesOf, uniform } from "./samples.ts";

function statisticsOf(...tiles: ArrayLike<number>[]): StatisticsFigures {
  const statistics = new TensorStatistics();
  const arrays = tiles.map((tile) => Float32Array.from(tile));
  for (const tile of arrays) statistics.add(tile);
  for (const tile of arrays) statistics.countOutliers(tile);
  return statistics.figures();
}

/** Heavy tails out of multiplications and divisions only: every machine makes the same bits. */
const heavyTails = () => uniform(10_007).map((w) => (w * w * w) / (0.26 - w * w));

describe("TensorStatistics", () => {
  it("gives figures that can be worked out by hand", () => {
    // mean 5, deviations −3 −1 −1 −1 0 0 2 4: Σd² = 32, Σd⁴ = 81 + 1 + 1 + 1 + 16 + 256 = 356.
    const figures = statisticsOf([2, 4, 4, 4, 5, 5, 7, 9]);
    expect(figures).toEqual({
      elements: 8,
      nonFinite: 0,
      zeros: 0,
      min: 2,
      max: 9,
      mean: 5,
      std: 2,
      excessKurtosis: expect.closeTo((8 * 356) / 32 ** 2 - 3, 14),
      outliers: 0,
    });
  });

  it("agrees with numpy and scipy", () => {
    const figures = statisticsOf(heavyTails());
    expect(figures.min).toBe(-12.470293045043945);
    expect(figures.max).toBe(12.046387672424316);
    expect(figures.mean).toBeCloseTo(-0.027765503163880642, 14);
    expect(figures.std).toBeCloseTo(1.613999533695361, 13);
    expect(figures.excessKurtosis).toBeCloseTo(20.506384179360655, 10);
    expect(figures.outliers).toBe(59);
  });

  it("keeps its digits far from 0", () => {
    const figures = statisticsOf(uniform(10_007).map((w) => w + 1000));
    expect(figures.mean).toBeCloseTo(999.9998242197258, 11);
    expect(figures.std).toBeCloseTo(0.29084982738776494, 12);
    expect(figures.excessKurtosis).toBeCloseTo(-1.21929945077528, 11);
  });

  it("is the same for any cut into tiles", () => {
    const weights = fc.array(fc.float({ noNaN: true, min: -8, max: 8 }), {
      minLength: 1,
      maxLength: 300,
    });
    fc.assert(
      fc.property(weights, cuts, fc.constantFrom(0, 100), (list, at, offset) => {
        const whole = Float32Array.from(list, (w) => w + offset);
        const a = statisticsOf(whole);
        const b = statisticsOf(...tilesOf(whole, at));
        // Relative to the size of the weights: their mean and deviation may be next to 0.
        const size = Math.max(Math.abs(a.min as number), Math.abs(a.max as number));
        expect(Math.abs((a.mean as number) - (b.mean as number))).toBeLessThanOrEqual(1e-13 * size);
        expect(Math.abs((a.std as number) - (b.std as number))).toBeLessThanOrEqual(1e-13 * size);
        if ((a.std as number) > 1e-3 * size) {
          const scale = Math.abs(a.excessKurtosis as number) + 3;
          const difference = (a.excessKurtosis as number) - (b.excessKurtosis as number);
          expect(Math.abs(difference) / scale).toBeLessThan(1e-9);
        }
        expect({ ...a, mean: 0, std: 0, excessKurtosis: 0, outliers: 0 }).toEqual({
          ...b,
          mean: 0,
          std: 0,
          excessKurtosis: 0,
          outliers: 0,
        });
      }),
    );
    const long = heavyTails();
    const [a, b] = [statisticsOf(long), statisticsOf(...tilesOf(long, [1, 17, 4096, 9000]))];
    for (const key of ["mean", "std", "excessKurtosis"] as const) {
      expect((a[key] as number) / (b[key] as number)).toBeCloseTo(1, 12);
    }
    expect(a.outliers).toBe(b.outliers);
  });

  it("tells outliers only after a second pass over everything", () => {
    // One of 10 000 elements at 1: mean 1e-4, std 0.01.
    const weights = new Float32Array(10_000);
    weights[77] = 1;
    const statistics = new TensorStatistics();
    statistics.add(weights);
    expect(statistics.figures().outliers).toBeUndefined();
    statistics.countOutliers(weights.subarray(0, 100));
    expect(statistics.figures().outliers).toBeUndefined();
    statistics.countOutliers(weights.subarray(100));
    expect(statistics.figures().outliers).toBe(1);
    expect(() => statistics.add(weights)).toThrow(/second pass/);
  });

  it("needs more than 6 standard deviations, not 6", () => {
    // 1 in n at 1: its distance is (1 − 1/n), σ = √(n − 1)/n; ratio √(n − 1): 6 at n = 37.
    const spike = (count: number) =>
      Float32Array.from({ length: count }, (_, i) => (i === 0 ? 1 : 0));
    expect(statisticsOf(spike(36)).outliers).toBe(0);
    expect(statisticsOf(spike(38)).outliers).toBe(1);
  });

  it("leaves NaN and infinities out and counts them, and zeros", () => {
    const figures = statisticsOf([
      Number.NaN,
      1,
      Number.NEGATIVE_INFINITY,
      -0,
      0,
      Number.POSITIVE_INFINITY,
      -1,
    ]);
    expect(figures).toMatchObject({
      elements: 7,
      nonFinite: 3,
      zeros: 2,
      min: -1,
      max: 1,
      mean: 0,
      std: Math.sqrt(0.5),
      outliers: 0,
    });
  });

  it("has no kurtosis for equal elements, and exactly no deviation", () => {
    const figures = statisticsOf(new Float32Array(10_000).fill(0.1), [0.1]);
    expect(figures).toMatchObject({
      mean: Math.fround(0.1),
      std: 0,
      excessKurtosis: undefined,
      outliers: 0,
    });
  });

  it("has no figures of nothing; JSON says null", () => {
    const none = { min: undefined, max: undefined, mean: undefined, std: undefined };
    expect(statisticsOf([])).toMatchObject({ ...none, elements: 0 });
    const figures = statisticsOf([Number.NaN]);
    expect(figures).toMatchObject({ ...none, nonFinite: 1 });
    expect(JSON.parse(JSON.stringify(statisticsJson(figures)))).toEqual({
      elements: 1,
      nonFinite: 1,
      zeros: 0,
      min: null,
      max: null,
      mean: null,
      std: null,
      excessKurtosis: null,
      outliers: 0,
    });
  });
});
