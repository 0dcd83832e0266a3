import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  addComparisons,
  type ComparisonSums,
  TensorComparison,
  type TileCounts,
} from "../../src/metrics/comparison.ts";
import { comparisonJson, figuresOf } from "../../src/metrics/comparison-figures.ts";
import { cuts, finiteWeights, sixteenths, tilesOf, uniform } from "./samples.ts";

function compare(
  original: ArrayLike<number>,
  restored: ArrayLike<number>,
  counts?: TileCounts,
): ComparisonSums {
  const comparison = new TensorComparison();
  comparison.add(Float32Array.from(original), Float32Array.from(restored), counts);
  return comparison.sums();
}

const relative = (a: number, b: number) => Math.abs(a - b) / Math.max(Math.abs(a), Math.abs(b), 1);

describe("TensorComparison", () => {
  it("gives figures that can be worked out by hand", () => {
    // Errors: 0, −1, 2, 0, 0. Σe² = 5, Σw² = 1 + 4 + 9 + 0 + 4 = 18.
    const figures = figuresOf(compare([1, 2, 3, 0, -2], [1, 3, 1, 0, -2]));
    expect(figures).toEqual({
      elements: 5,
      comparedElements: 5,
      nonFinite: 0,
      newNonFinite: 0,
      mse: 1,
      rmse: 1,
      relativeRms: Math.sqrt(5 / 18),
      largestError: { magnitude: 2, index: 2, tensor: 0 },
      sqnrDb: expect.closeTo(5.563025, 6),
      // Σww' = 1 + 6 + 3 + 0 + 4 = 14, Σw'² = 1 + 9 + 1 + 0 + 4 = 15.
      cosine: expect.closeTo(14 / Math.sqrt(18 * 15), 15),
      saturated: undefined,
      clipped: undefined,
    });
  });

  it("agrees with numpy", () => {
    const weights = uniform(10_007);
    const figures = figuresOf(compare(weights, sixteenths(weights)));
    expect(figures.mse / 0.00032754364666372606).toBeCloseTo(1, 12);
    expect(figures.relativeRms / 0.06222509108063692).toBeCloseTo(1, 12);
    expect(figures.sqnrDb).toBeCloseTo(24.12068918059419, 11);
    expect(figures.cosine).toBeCloseTo(0.9980744807109221, 12);
    expect(figures.largestError).toEqual({
      magnitude: 0.031246870756149292,
      index: 8182,
      tensor: 0,
    });
  });

  it("names the first of equal errors, across runs and tiles", () => {
    const comparison = new TensorComparison();
    const original = new Float32Array(10_000);
    const restored = new Float32Array(10_000);
    restored[5000] = -3;
    restored[5001] = 3;
    restored[9000] = 3;
    comparison.add(original.subarray(0, 4097), restored.subarray(0, 4097));
    comparison.add(original.subarray(4097), restored.subarray(4097));
    comparison.add(original, restored);
    expect(comparison.sums().largestError).toEqual({ magnitude: 3, index: 5000, tensor: 0 });
  });

  it("is the same for any cut into tiles", () => {
    fc.assert(
      fc.property(finiteWeights, finiteWeights, cuts, (a, b, at) => {
        const length = Math.min(a.length, b.length);
        const original = Float32Array.from(a.slice(0, length));
        const restored = Float32Array.from(b.slice(0, length));
        const whole = compare(original, restored);
        const cut = new TensorComparison();
        const others = tilesOf(restored, at);
        for (const [i, tile] of tilesOf(original, at).entries()) {
          cut.add(tile, others[i] as Float32Array);
        }
        const sums = cut.sums();
        for (const key of ["errorSquares", "originalSquares", "restoredSquares"] as const) {
          expect(relative(sums[key], whole[key])).toBeLessThan(1e-12);
        }
        // Products may cancel: their rounding is that of √(Σw²·Σw'²).
        const scale = Math.sqrt(whole.originalSquares) * Math.sqrt(whole.restoredSquares);
        expect(Math.abs(sums.products - whole.products)).toBeLessThanOrEqual(1e-12 * scale);
        expect(sums.largestError).toEqual(whole.largestError);
      }),
    );
  });

  it("gives the same bits when it is run again", () => {
    const weights = uniform(50_000, 7);
    expect(compare(weights, sixteenths(weights))).toEqual(compare(weights, sixteenths(weights)));
  });

  it("leaves non-finite pairs out of the sums and counts them", () => {
    const original = [1, Number.NaN, 2, Number.POSITIVE_INFINITY, 3, 4];
    const restored = [1, 5, Number.NaN, Number.POSITIVE_INFINITY, 2, Number.NEGATIVE_INFINITY];
    const sums = compare(original, restored);
    expect(sums).toMatchObject({
      elements: 6,
      nonFinite: 4,
      newNonFinite: 2,
      errorSquares: 1,
      originalSquares: 10,
      restoredSquares: 5,
      products: 7,
      largestError: { magnitude: 1, index: 4 },
    });
    expect(figuresOf(sums).mse).toBe(0.5);
  });

  it("is right in the runs around a non-finite pair", () => {
    const weights = uniform(20_000, 3);
    const restored = sixteenths(weights);
    const clean = compare(weights, restored);
    const spoilt = restored.slice();
    spoilt[6000] = Number.NaN;
    const sums = compare(weights, spoilt);
    const missing = ((weights[6000] as number) - (restored[6000] as number)) ** 2;
    expect((sums.errorSquares + missing) / clean.errorSquares).toBeCloseTo(1, 12);
    expect(sums.nonFinite).toBe(1);
  });

  it("holds the largest and the smallest f32", () => {
    const largest = 3.4028234663852886e38;
    const figures = figuresOf(compare([largest, largest], [-largest, -largest]));
    expect(figures.relativeRms).toBe(2);
    expect(figures.cosine).toBe(-1);
    expect(figures.largestError?.magnitude).toBe(2 * largest);
    expect(figuresOf(compare([2 ** -149], [0])).relativeRms).toBe(1);
  });

  it("refuses tiles of different lengths", () => {
    expect(() => compare([1, 2], [1])).toThrow(/restored: expected 2 elements.*received 1/);
  });
});

describe("figures of special tensors", () => {
  it("equal tensors: no error, infinite SQNR, cosine 1", () => {
    const figures = figuresOf(compare([1, -2], [1, -2]));
    expect(figures).toMatchObject({ relativeRms: 0, mse: 0, cosine: 1, largestError: undefined });
    expect(figures.sqnrDb).toBe(Number.POSITIVE_INFINITY);
  });

  it("zeros that stay zeros are equal; zeros that do not have an infinite error", () => {
    const equal = figuresOf(compare([0, -0], [-0, 0]));
    expect(equal).toMatchObject({ relativeRms: 0, cosine: 1 });
    const wrong = figuresOf(compare([0, 0], [0, 1]));
    expect(wrong.relativeRms).toBe(Number.POSITIVE_INFINITY);
    expect(wrong.sqnrDb).toBe(Number.NEGATIVE_INFINITY);
    expect(wrong.cosine).toBe(0);
    expect(figuresOf(compare([0, 1], [0, 0]))).toMatchObject({ relativeRms: 1, cosine: 0 });
  });

  it("nothing, and nothing finite", () => {
    for (const figures of [figuresOf(compare([], [])), figuresOf(compare([Number.NaN], [0]))]) {
      expect(figures).toMatchObject({ comparedElements: 0, mse: 0, relativeRms: 0, cosine: 1 });
    }
  });

  it("have no NaN, and their JSON loses nothing but the kind of infinity", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.float(), fc.float()), { maxLength: 50 }),
        fc.option(fc.nat(), { nil: undefined }),
        (pairs, saturated) => {
          const figures = figuresOf(
            compare(
              pairs.map(([w]) => w),
              pairs.map(([, r]) => r),
              { saturated },
            ),
          );
          for (const value of Object.values(figures)) expect(value).not.toBe(Number.NaN);
          const json = comparisonJson(figures);
          expect(JSON.parse(JSON.stringify(json))).toEqual(json);
          expect(Object.keys(json)).toEqual(Object.keys(figures));
        },
      ),
    );
    const wrong = comparisonJson(figuresOf(compare([0], [1])));
    expect([wrong.relativeRms, wrong.sqnrDb]).toEqual([null, null]);
    const equal = comparisonJson(figuresOf(compare([1], [1])));
    expect([equal.relativeRms, equal.sqnrDb]).toEqual([0, null]);
  });
});

describe("counts of codes", () => {
  it("say among how many elements they were looked for", () => {
    const comparison = new TensorComparison();
    const tile = new Float32Array(10);
    comparison.add(tile, tile, { saturated: 2, clipped: 1 });
    comparison.add(tile, tile, { saturated: 3 });
    comparison.add(tile, tile);
    const figures = figuresOf(comparison.sums());
    expect(figures.saturated).toEqual({ count: 5, elements: 20 });
    expect(figures.clipped).toEqual({ count: 1, elements: 10 });
  });

  it("are unknown, not zero, when nobody told", () => {
    expect(figuresOf(compare([1], [1])).saturated).toBeUndefined();
    expect(figuresOf(compare([1], [1], { saturated: 0 })).saturated?.count).toBe(0);
  });
});

describe("addComparisons", () => {
  it("adds sums: a large tensor weighs more than a small one", () => {
    const small = compare([1], [3]);
    const large = compare([1, 1, 1], [1, 1, 2], { saturated: 1 });
    const total = addComparisons([large, small]);
    expect(figuresOf(total)).toMatchObject({
      elements: 4,
      mse: 5 / 4,
      relativeRms: Math.sqrt(5 / 4),
      largestError: { magnitude: 2, index: 0, tensor: 1 },
      saturated: { count: 1, elements: 3 },
    });
  });

  it("is what one tensor of all elements gives", () => {
    const weights = uniform(9000, 5);
    const restored = sixteenths(weights);
    const parts = [0, 1000, 1001, 9000].slice(1).map((end, i) => {
      const start = [0, 1000, 1001][i] as number;
      return compare(weights.slice(start, end), restored.slice(start, end));
    });
    const whole = figuresOf(compare(weights, restored));
    const total = figuresOf(addComparisons(parts));
    expect(total.relativeRms / whole.relativeRms).toBeCloseTo(1, 12);
    expect(total.largestError?.magnitude).toBe(whole.largestError?.magnitude);
  });

  it("of no tensor is that of nothing", () => {
    expect(addComparisons([])).toEqual(new TensorComparison().sums());
  });
});

it("says nothing in JSON of elements that all became NaN", () => {
  const json = comparisonJson(figuresOf(compare([1, 2], [NaN, NaN])));
  expect(json).toMatchObject({ elements: 2, comparedElements: 0, newNonFinite: 2 });
  expect([json.mse, json.rmse, json.relativeRms, json.sqnrDb, json.cosine]).toEqual([
    null,
    null,
    null,
    null,
    null,
  ]);
});
