/**
 * Scalar float16 and bfloat16 conversions: the oracle for the SIMD versions. Rounding is to
 * nearest, ties to even, as in PyTorch's `.to()`.
 */

const word = new DataView(new ArrayBuffer(4));

/** The bits of `value` rounded to f32. */
export function f32ToBits(value: number): number {
  word.setFloat32(0, value);
  return word.getUint32(0);
}

/** The f32 with these bits. Never use it to carry NaN payloads. */
export function bitsToF32(bits: number): number {
  word.setUint32(0, bits);
  return word.getFloat32(0);
}

/** bfloat16 bits → number, exactly. */
export function bf16ToF32(bits: number): number {
  return bitsToF32((bits << 16) >>> 0);
}

/** f32 → bfloat16 bits; every NaN becomes 0x7fc0 (PyTorch `round_to_nearest_even`). */
export function f32ToBf16(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  const bits = f32ToBits(value);
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** float16 bits → number, exactly. */
export function f16ToF32(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** f32 → float16 bits; |value| ≥ 65520 becomes infinity; every NaN becomes sign | 0x7e00. */
export function f32ToF16(value: number): number {
  const bits = f32ToBits(value);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Below the smallest normal half: adding 0.5 leaves the rounded half in the low bits.
    const scaled = f32ToBits(Math.fround(bitsToF32(magnitude) + 0.5));
    return sign | (scaled - 0x3f000000);
  }
  const odd = (magnitude >>> 13) & 1;
  return sign | ((magnitude - 0x38000000 + 0xfff + odd) >>> 13);
}
