import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Histogram, histogramRange } from "../../src/metrics/histogram.ts";
import { cuts, finiteWeights, tilesOf, uniform } from "./samples.ts";

describe("Histogram", () => {
  it("puts an element on an edge into the bin on its right, the last one into the last bin", () => {
    const histogram = new Histogram({ lowest: -1, highest: 1 }, 4);
    histogram.add(Float32Array.of(-1, -0.5, -0.25, 0, 0.5, 0.75, 1));
    expect(histogram.counts()).toEqual({
      lowest: -1,
      highest: 1,
      counts: [1, 2, 1, 3],
      below: 0,
      above: 0,
      nonFinite: 0,
    });
  });

  it("agrees with numpy", () => {
    const histogram = new Histogram({ lowest: -0.4, highest: 0.45 }, 7);
    histogram.add(uniform(10_007));
    const { counts, below, above } = histogram.counts();
    expect(counts).toEqual([1199, 1243, 1131, 1198, 1216, 1243, 1258]);
    expect(below + above).toBe(10_007 - counts.reduce((a, b) => a + b));
  });

  it("counts what is outside, and what is no number", () => {
    const histogram = new Histogram({ lowest: 0, highest: 1 }, 1);
    histogram.add(
      Float32Array.of(
        -1,
        2,
        3,
        Number.NaN,
        Number.POSITIVE_INFINITY,
        Number.NEGATIVE_INFINITY,
        0.5,
      ),
    );
    expect(histogram.counts()).toMatchObject({ counts: [1], below: 1, above: 2, nonFinite: 3 });
  });

  it("holds every element of its tensor's range, however it is cut", () => {
    fc.assert(
      fc.property(
        finiteWeights,
        cuts,
        fc.boolean(),
        fc.integer({ min: 1, max: 50 }),
        (list, at, symmetric, bins) => {
          const weights = Float32Array.from(list);
          const range = histogramRange(Math.min(...weights), Math.max(...weights), symmetric);
          const whole = new Histogram(range, bins);
          whole.add(weights);
          const cut = new Histogram(range, bins);
          for (const tile of tilesOf(weights, at)) cut.add(tile);
          expect(cut.counts()).toEqual(whole.counts());
          expect(whole.counts().counts.reduce((a, b) => a + b)).toBe(weights.length);
        },
      ),
    );
  });

  it("opens a range of one value", () => {
    expect(histogramRange(2, 2)).toEqual({ lowest: 1, highest: 3 });
    expect(histogramRange(0, 0, true)).toEqual({ lowest: -1, highest: 1 });
    expect(histogramRange(-0.5, 2, true)).toEqual({ lowest: -2, highest: 2 });
  });

  it("refuses a range without width, and no bin", () => {
    expect(() => new Histogram({ lowest: 1, highest: 1 }, 4)).toThrow(/range.*lowest < highest/);
    expect(() => new Histogram({ lowest: Number.NaN, highest: 1 }, 4)).toThrow(/range/);
    expect(() => new Histogram({ lowest: 0, highest: 1 }, 0)).toThrow(/binCount/);
  });
});
