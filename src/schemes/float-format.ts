/** Small floats that weights are cast to after division by a scale. */

/**
 * Sign, exponent and fraction in 4 or 8 bits; subnormals, no infinity in use: casts saturate.
 *
 * A magnitude's code is ((E) << fractionBits) + fraction, and codes ascend with magnitudes.
 */
export interface FloatFormat {
  readonly name: "e2m1" | "e4m3" | "e5m2";
  readonly bits: 4 | 8;
  readonly fractionBits: number;
  readonly exponentBias: number;
  /** Code of the largest finite magnitude. */
  readonly largestCode: number;
  /** That magnitude, and the exponent of its leading bit (OCP Microscaling calls it emax). */
  readonly largest: number;
  readonly largestExponent: number;
  /** What NaN becomes; formats without one take 0. */
  readonly nanCode: number;
}

/** FP4 E2M1: 0, 0.5, 1, 1.5, 2, 3, 4, 6. Source: OCP Microscaling Formats 1.0, 5.3.3. */
export const E2M1: FloatFormat = {
  name: "e2m1",
  bits: 4,
  fractionBits: 1,
  exponentBias: 1,
  largestCode: 7,
  largest: 6,
  largestExponent: 2,
  nanCode: 0,
};

/** FP8 E4M3 ("fn": no infinity, NaN is S.1111.111). Source: OCP 8-bit Floating Point 1.0, table 1. */
export const E4M3: FloatFormat = {
  name: "e4m3",
  bits: 8,
  fractionBits: 3,
  exponentBias: 7,
  largestCode: 0x7e,
  largest: 448,
  largestExponent: 8,
  nanCode: 0x7f,
};

/** FP8 E5M2 (infinity is S.11111.00, which decodes but is never written). Same source. */
export const E5M2: FloatFormat = {
  name: "e5m2",
  bits: 8,
  fractionBits: 2,
  exponentBias: 15,
  largestCode: 0x7b,
  largest: 57344,
  largestExponent: 15,
  nanCode: 0x7f,
};

/** levels[code] for every code of the format, as f32; NaN and infinity where the format has them. */
export function floatLevels(format: FloatFormat): Float32Array {
  const { bits, fractionBits, exponentBias, nanCode, largestCode } = format;
  const half = 2 ** (bits - 1);
  const levels = new Float32Array(2 * half);
  for (let code = 0; code < half; code++) {
    const exponent = code >> fractionBits;
    const fraction = (code & (2 ** fractionBits - 1)) / 2 ** fractionBits;
    const finite =
      exponent === 0
        ? fraction * 2 ** (1 - exponentBias)
        : (1 + fraction) * 2 ** (exponent - exponentBias);
    // Above the largest finite code only E5M2 has an infinity, at the very next code.
    const isInfinity = format.name === "e5m2" && code === largestCode + 1;
    const level = code <= largestCode ? finite : isInfinity ? Infinity : NaN;
    levels[code] = nanCode === 0 ? finite : level;
    levels[code + half] = -(levels[code] as number);
  }
  return levels;
}
