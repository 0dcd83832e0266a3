/** The other 8-bit maps that bitsandbytes can make, and the door for a caller's own. */

import { ArgumentError } from "../foundation/errors.ts";
import type { Codebook } from "./codebook.ts";
import { linspaceF32 } from "./linspace.ts";

/**
 * `functional.create_linear_map(signed, 8, add_zero=True)`: evenly spaced levels.
 *
 * Signed: linspace(−1, 1, 255) with an exact 0 inserted at index 127; its own centre survives as
 * the rounding residue 3.7252903e-09 at index 128. Unsigned: linspace(0, 1, 256).
 */
export function createLinearMap({ signed }: { readonly signed: boolean }): Float32Array {
  if (!signed) return linspaceF32(0, 1, 256);
  const spaced = linspaceF32(-1, 1, 255);
  return Float32Array.of(...spaced.subarray(0, 127), 0, ...spaced.subarray(127));
}

export interface Fp8MapOptions {
  readonly signed: boolean;
  readonly exponentBits: number;
  /** Mantissa bits; with the exponent and the sign they make 8. */
  readonly precisionBits: number;
}

/**
 * `functional.create_fp8_map`: every 8-bit float of the layout, divided by the largest in f32.
 *
 *   E = 0: fraction · 2^−bias        else: (1 + fraction) · 2^−(E − bias − 1)        bias = 2^(e − 1)
 *
 * The exponent runs backwards (a larger field is a smaller value), as in bitsandbytes.
 */
export function createFp8Map(options: Fp8MapOptions): Float32Array {
  const { signed, exponentBits, precisionBits } = options;
  if (exponentBits < 1 || precisionBits < 0 || exponentBits + precisionBits !== (signed ? 7 : 8)) {
    throw new ArgumentError(
      "exponentBits + precisionBits",
      signed ? "7 (and a sign)" : "8",
      exponentBits + precisionBits,
    );
  }
  const bias = 2 ** (exponentBits - 1);
  const values: number[] = [];
  for (let exponent = 0; exponent < 2 ** exponentBits; exponent++) {
    for (let mantissa = 0; mantissa < 2 ** precisionBits; mantissa++) {
      const fraction = mantissa / 2 ** precisionBits;
      const value =
        exponent === 0 ? fraction * 2 ** -bias : (1 + fraction) * 2 ** -(exponent - bias - 1);
      values.push(value);
      if (signed) values.push(-value);
    }
  }
  // A stable sort by value keeps +0 before −0; `Float32Array.sort` would not.
  values.sort((a, b) => a - b);
  const largest = Math.fround(values[255] as number);
  return Float32Array.from(values, (value) => Math.fround(value) / largest);
}

/**
 * A caller's own 8-bit map.
 *
 * @param levels  256 finite f32 in ascending order; equal neighbours are allowed
 * @throws ArgumentError when they are not
 */
export function custom8(name: string, levels: ArrayLike<number>): Codebook {
  if (levels.length !== 256) throw new ArgumentError("levels", "256 numbers", levels.length);
  const table = Float32Array.from(levels);
  for (let i = 0; i < 256; i++) {
    const level = table[i] as number;
    if (!Number.isFinite(level)) throw new ArgumentError(`levels[${i}]`, "a finite number", level);
    if (i > 0 && level < (table[i - 1] as number)) {
      throw new ArgumentError(`levels[${i}]`, `at least levels[${i - 1}]`, level);
    }
  }
  return { name, bits: 8, levels: table };
}
