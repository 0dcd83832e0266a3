/** What 4-bit codes stand for, beside float and beside int8 activations. */

import type { LinearLevels } from "../kernels/linear-kernels.ts";
import { roundHalfEven } from "../kernels/reference/round.ts";
import { floatLevels } from "../schemes/float-format.ts";
import { type QuantType, schemeOf } from "../schemes/registry.ts";

/** Levels, and what a unit of their integers is worth, an f32. */
export interface UnitLevels extends LinearLevels {
  readonly unit: number;
}

const built = /* @__PURE__ */ new Map<QuantType, UnitLevels>();

/** The same object at every call: kernels keep their table by it. */
export function levelsOf(quantType: QuantType): UnitLevels {
  let levels = built.get(quantType);
  if (levels === undefined) {
    levels = build(quantType);
    built.set(quantType, levels);
  }
  return levels;
}

function build(quantType: QuantType): UnitLevels {
  const scheme = schemeOf(quantType);
  switch (scheme.family) {
    case "codebook":
      return rounded(scheme.codebook().levels, 127);
    case "float":
      // Halves are the smallest difference of two E2M1 levels.
      return rounded(floatLevels(scheme.format), 2);
    default: {
      const signed = scheme.family === "affine" && scheme.format.signed;
      const levels = Float32Array.from({ length: 16 }, (_, code) =>
        signed && code > 7 ? code - 16 : code,
      );
      return rounded(levels, 1);
    }
  }
}

function rounded(levels: Float32Array, perUnit: number): UnitLevels {
  const integers = Int8Array.from(levels, (level) => roundHalfEven(level * perUnit));
  return { levels, integers, unit: Math.fround(1 / perUnit) };
}
