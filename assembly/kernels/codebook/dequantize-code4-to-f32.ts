import { LEVEL_BYTES, LOW_NIBBLES, PAIRS } from "../../lanes/levels4";
import { lookUp16 } from "../../lanes/lookup";

/**
 * values[i] = fl(level[code[i]] · absmax[i / blockSize])
 *
 * Half of the values come from byte planes of the levels by swizzle, half from a table of level
 * pairs: the first keeps the shuffle ports busy, the second the load ports.
 *
 * @param codesPtr      in   u8[elementCount / 2], even element in the high nibble
 * @param absmaxPtr     in   f32[ceil(elementCount / blockSize)]
 * @param tablePtr      in   lanes/levels4
 * @param valuesPtr     out  f32[elementCount]
 * @param elementCount  a multiple of 32
 * @param blockSize     a multiple of 32
 * @returns the largest |absmax| as bits: from 0x7f800000 on, some value may be a NaN of any bits
 */
export function dequantizeCode4ToF32(
  codesPtr: usize,
  absmaxPtr: usize,
  tablePtr: usize,
  valuesPtr: usize,
  elementCount: usize,
  blockSize: usize,
): u32 {
  assert(blockSize > 0 && blockSize % 32 === 0 && elementCount % 32 === 0);
  const plane0 = v128.load(tablePtr, LEVEL_BYTES);
  const plane1 = v128.load(tablePtr, LEVEL_BYTES + 16);
  const plane2 = v128.load(tablePtr, LEVEL_BYTES + 32);
  const plane3 = v128.load(tablePtr, LEVEL_BYTES + 48);
  const lowNibbles = v128.load(tablePtr, LOW_NIBBLES);
  let largest: u32 = 0;

  while (elementCount > 0) {
    const count = min(elementCount, blockSize);
    const end = codesPtr + (count >> 1);
    const scale = v128.load32_splat(absmaxPtr);
    largest = max(largest, load<u32>(absmaxPtr) & 0x7fffffff);
    do {
      const packed = v128.load64_zero(codesPtr);
      const low = v128.and(packed, lowNibbles);
      const high = v128.and(i16x8.shr_u(packed, 4), lowNibbles);
      const codes = i8x16.shuffle(
        high,
        low,
        0,
        16,
        1,
        17,
        2,
        18,
        3,
        19,
        4,
        20,
        5,
        21,
        6,
        22,
        7,
        23,
      );
      const p0 = lookUp16(plane0, codes);
      const p1 = lookUp16(plane1, codes);
      const p2 = lookUp16(plane2, codes);
      const p3 = lookUp16(plane3, codes);
      const low0 = i8x16.shuffle(p0, p1, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      const low1 = i8x16.shuffle(
        p0,
        p1,
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
      const high0 = i8x16.shuffle(p2, p3, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      const high1 = i8x16.shuffle(
        p2,
        p3,
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
      const v0 = i16x8.shuffle(low0, high0, 0, 8, 1, 9, 2, 10, 3, 11);
      const v1 = i16x8.shuffle(low0, high0, 4, 12, 5, 13, 6, 14, 7, 15);
      const v2 = i16x8.shuffle(low1, high1, 0, 8, 1, 9, 2, 10, 3, 11);
      const v3 = i16x8.shuffle(low1, high1, 4, 12, 5, 13, 6, 14, 7, 15);
      const w0 = pairs(tablePtr, codesPtr, 8);
      const w1 = pairs(tablePtr, codesPtr, 10);
      const w2 = pairs(tablePtr, codesPtr, 12);
      const w3 = pairs(tablePtr, codesPtr, 14);
      v128.store(valuesPtr, f32x4.mul(v0, scale));
      v128.store(valuesPtr, f32x4.mul(v1, scale), 16);
      v128.store(valuesPtr, f32x4.mul(v2, scale), 32);
      v128.store(valuesPtr, f32x4.mul(v3, scale), 48);
      v128.store(valuesPtr, f32x4.mul(w0, scale), 64);
      v128.store(valuesPtr, f32x4.mul(w1, scale), 80);
      v128.store(valuesPtr, f32x4.mul(w2, scale), 96);
      v128.store(valuesPtr, f32x4.mul(w3, scale), 112);
      codesPtr += 16;
      valuesPtr += 128;
    } while (codesPtr < end);
    absmaxPtr += 4;
    elementCount -= count;
  }
  return largest;
}

/** The four levels of two bytes of codes. */
// @ts-ignore: decorator
@inline
export function pairs(tablePtr: usize, codesPtr: usize, at: usize): v128 {
  const first = v128.load64_zero(tablePtr + ((<usize>load<u8>(codesPtr + at)) << 3), PAIRS);
  return v128.load64_lane(tablePtr + ((<usize>load<u8>(codesPtr + at + 1)) << 3), first, 1, PAIRS);
}
