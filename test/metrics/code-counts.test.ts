import { describe, expect, it } from "vitest";
import { countClipped, countSaturated, largestStep } from "../../src/metrics/code-counts.ts";
import { NF4 } from "../../src/schemes/nf4.ts";

describe("countSaturated", () => {
  it("counts both ends", () => {
    expect(countSaturated(Uint8Array.of(0, 1, 15, 15, 7), 0, 15)).toBe(3);
    // int8: −128 is 0x80, 127 is 0x7f.
    expect(countSaturated(new Uint8Array(Int8Array.of(-128, 127, -1, 0).buffer), 0x80, 0x7f)).toBe(
      2,
    );
    expect(countSaturated(new Uint8Array(0), 0, 15)).toBe(0);
  });
});

describe("countClipped", () => {
  /** Rounds to sevenths of `scale`, at most ±scale. */
  const restore = (w: number, scale: number) =>
    (Math.max(-7, Math.min(7, Math.round((w / scale) * 7))) / 7) * scale;

  it("counts what the scale cannot reach, and no element inside the range", () => {
    const scale = 0.7;
    const inside = Array.from({ length: 1001 }, (_, i) => ((i - 500) / 500) * scale);
    const outside = [0.7501, -0.8, 5];
    // Up to half a step beyond the last level nothing tells them from the others.
    const nearly = [0.7499, -0.72];
    const original = Float32Array.from([...inside, ...nearly, ...outside]);
    const restored = original.map((w) => restore(w, scale));
    const halfStep = scale / 7 / 2;
    expect(countClipped(original, restored, 0, original.length, halfStep)).toBe(outside.length);
    expect(countClipped(original, restored, 0, inside.length, halfStep)).toBe(0);
  });

  it("does not count NaN and infinity", () => {
    const original = Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY, 1);
    expect(countClipped(original, new Float32Array(3), 0, 3, 0.1)).toBe(1);
  });
});

describe("largestStep", () => {
  it("of NF4 is the one at its lower end", () => {
    expect(largestStep(NF4.levels)).toBeCloseTo(1 - 0.6961928009986877, 7);
    expect(largestStep([5])).toBe(0);
  });
});
