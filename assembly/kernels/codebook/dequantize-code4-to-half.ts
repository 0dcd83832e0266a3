import { halfConstants, narrowToBf16, narrowToF16 } from "../../lanes/half";
import { LEVELS, LOW_NIBBLES } from "../../lanes/levels4";

/**
 * values[i] = f16(fl(level[code[i]] · absmax[i / blockSize]))
 *
 * The sixteen products of a block are rounded once, and its values then looked up.
 * Arguments and result as `dequantizeCode4ToF32`.
 */
export function dequantizeCode4ToF16(
  codesPtr: usize,
  absmaxPtr: usize,
  tablePtr: usize,
  valuesPtr: usize,
  elementCount: usize,
  blockSize: usize,
): u32 {
  assert(blockSize > 0 && blockSize % 32 === 0 && elementCount % 32 === 0);
  const c = halfConstants();
  const magnitude = v128.load(c, 160);
  const toInfinity = v128.load(c, 16);
  const back = v128.load(c, 64);
  const bias = v128.load(c, 80);
  const exponent = v128.load(c, 48);
  const smallest = v128.load(c, 96);
  const fraction = v128.load(c, 112);
  const halfExponent = v128.load(c, 128);
  const nan = v128.load(c, 144);
  const lowNibbles = v128.load(tablePtr, LOW_NIBBLES);
  let largest: u32 = 0;

  while (elementCount > 0) {
    const count = min(elementCount, blockSize);
    const scale = v128.load32_splat(absmaxPtr);
    largest = max(largest, load<u32>(absmaxPtr) & 0x7fffffff);
    const first = narrowToF16(
      f32x4.mul(v128.load(tablePtr, LEVELS), scale),
      f32x4.mul(v128.load(tablePtr, LEVELS + 16), scale),
      magnitude,
      toInfinity,
      back,
      bias,
      exponent,
      smallest,
      fraction,
      halfExponent,
      nan,
    );
    const second = narrowToF16(
      f32x4.mul(v128.load(tablePtr, LEVELS + 32), scale),
      f32x4.mul(v128.load(tablePtr, LEVELS + 48), scale),
      magnitude,
      toInfinity,
      back,
      bias,
      exponent,
      smallest,
      fraction,
      halfExponent,
      nan,
    );
    lookUp(codesPtr, first, second, lowNibbles, valuesPtr, count);
    codesPtr += count >> 1;
    valuesPtr += count << 1;
    absmaxPtr += 4;
    elementCount -= count;
  }
  return largest;
}

/** As `dequantizeCode4ToF16`, for bfloat16. */
export function dequantizeCode4ToBf16(
  codesPtr: usize,
  absmaxPtr: usize,
  tablePtr: usize,
  valuesPtr: usize,
  elementCount: usize,
  blockSize: usize,
): u32 {
  assert(blockSize > 0 && blockSize % 32 === 0 && elementCount % 32 === 0);
  const c = halfConstants();
  const magnitude = v128.load(c, 160);
  const exponent = v128.load(c, 48);
  const rounding = v128.load(c, 192);
  const one = v128.load(c, 208);
  const nan = v128.load(c, 224);
  const level0 = v128.load(tablePtr, LEVELS);
  const level1 = v128.load(tablePtr, LEVELS + 16);
  const level2 = v128.load(tablePtr, LEVELS + 32);
  const level3 = v128.load(tablePtr, LEVELS + 48);
  const lowNibbles = v128.load(tablePtr, LOW_NIBBLES);
  let largest: u32 = 0;

  while (elementCount > 0) {
    const count = min(elementCount, blockSize);
    const scale = v128.load32_splat(absmaxPtr);
    largest = max(largest, load<u32>(absmaxPtr) & 0x7fffffff);
    const first = i16x8.narrow_i32x4_u(
      narrowToBf16(f32x4.mul(level0, scale), magnitude, exponent, rounding, one, nan),
      narrowToBf16(f32x4.mul(level1, scale), magnitude, exponent, rounding, one, nan),
    );
    const second = i16x8.narrow_i32x4_u(
      narrowToBf16(f32x4.mul(level2, scale), magnitude, exponent, rounding, one, nan),
      narrowToBf16(f32x4.mul(level3, scale), magnitude, exponent, rounding, one, nan),
    );
    lookUp(codesPtr, first, second, lowNibbles, valuesPtr, count);
    codesPtr += count >> 1;
    valuesPtr += count << 1;
    absmaxPtr += 4;
    elementCount -= count;
  }
  return largest;
}

/** values[i] = the code[i]-th of the sixteen halves in `first` and `second`; 32 at a time. */
// @ts-ignore: decorator
@inline
export function lookUp(
  codesPtr: usize,
  first: v128,
  second: v128,
  lowNibbles: v128,
  valuesPtr: usize,
  count: usize,
): void {
  const lowBytes = i8x16.shuffle(
    first,
    second,
    0,
    2,
    4,
    6,
    8,
    10,
    12,
    14,
    16,
    18,
    20,
    22,
    24,
    26,
    28,
    30,
  );
  const highBytes = i8x16.shuffle(
    first,
    second,
    1,
    3,
    5,
    7,
    9,
    11,
    13,
    15,
    17,
    19,
    21,
    23,
    25,
    27,
    29,
    31,
  );
  const end = codesPtr + (count >> 1);
  do {
    const packed = v128.load(codesPtr);
    const odd = v128.and(packed, lowNibbles);
    const even = v128.and(i16x8.shr_u(packed, 4), lowNibbles);
    const codes0 = i8x16.shuffle(even, odd, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const codes1 = i8x16.shuffle(
      even,
      odd,
      8,
      24,
      9,
      25,
      10,
      26,
      11,
      27,
      12,
      28,
      13,
      29,
      14,
      30,
      15,
      31,
    );
    const l0 = i8x16.swizzle(lowBytes, codes0);
    const h0 = i8x16.swizzle(highBytes, codes0);
    const l1 = i8x16.swizzle(lowBytes, codes1);
    const h1 = i8x16.swizzle(highBytes, codes1);
    v128.store(
      valuesPtr,
      i8x16.shuffle(l0, h0, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23),
    );
    v128.store(
      valuesPtr,
      i8x16.shuffle(l0, h0, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31),
      16,
    );
    v128.store(
      valuesPtr,
      i8x16.shuffle(l1, h1, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23),
      32,
    );
    v128.store(
      valuesPtr,
      i8x16.shuffle(l1, h1, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31),
      48,
    );
    codesPtr += 16;
    valuesPtr += 64;
  } while (codesPtr < end);
}
