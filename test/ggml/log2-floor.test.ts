import { expect, it } from "vitest";
import { bitsToF32, f32ToBits } from "../../src/foundation/half.ts";
import { log2Floor } from "../../src/schemes/ggml/log2-floor.ts";

it("log2Floor is the floor of the logarithm rounded to f32, about every power of two", () => {
  let raised = 0;
  for (let k = -125; k <= 128; k++) {
    const power = (k + 127) << 23;
    for (let bits = power - 50; bits <= Math.min(power + 2, 0x7f7fffff); bits++) {
      const expected = Math.floor(Math.fround(Math.log2(bitsToF32(bits))));
      expect(`${bits}: ${log2Floor(bits)}`).toBe(`${bits}: ${expected}`);
      if (log2Floor(bits) > (bits >>> 23) - 127) raised++;
    }
  }
  expect(raised).toBe(7404);
  expect(log2Floor(f32ToBits(0.75))).toBe(-1);
  expect(log2Floor(f32ToBits(3.4e38))).toBe(127);
});
