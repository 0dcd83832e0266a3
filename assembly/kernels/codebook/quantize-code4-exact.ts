import { elementShift } from "../../lanes/keys";
import { lookUp16 } from "../../lanes/lookup";
import { NAN_CODE, NIBBLE_JOIN, ORDER, SMALLEST_ABSMAX, THRESHOLDS } from "../../lanes/table4";

/**
 * 4-bit codes of any codebook, by fifteen comparisons: the slow, general path.
 *
 *   scaled  = fl(x · fl(1 / max(absmax[b], smallest)))
 *   code    = order[number of thresholds strictly below scaled], or the code of NaN
 *
 * @param valuesPtr     in   f32[elementCount]
 * @param absmaxPtr     in   f32[elementCount / blockSize]
 * @param tablePtr      in   lanes/table4
 * @param codesPtr      out  u8[elementCount / 2], even element in the high nibble
 * @param elementCount  a multiple of blockSize
 * @param blockSize     a multiple of 32
 */
export function quantizeF32ToCode4Exact(
  valuesPtr: usize,
  absmaxPtr: usize,
  tablePtr: usize,
  codesPtr: usize,
  elementCount: usize,
  blockSize: usize,
): void {
  quantizeBlocks<f32>(valuesPtr, absmaxPtr, tablePtr, codesPtr, elementCount, blockSize);
}

/** As `quantizeF32ToCode4Exact`, for bfloat16. */
export function quantizeBf16ToCode4Exact(
  valuesPtr: usize,
  absmaxPtr: usize,
  tablePtr: usize,
  codesPtr: usize,
  elementCount: usize,
  blockSize: usize,
): void {
  quantizeBlocks<u16>(valuesPtr, absmaxPtr, tablePtr, codesPtr, elementCount, blockSize);
}

// @ts-ignore: decorator
@inline
export function quantizeBlocks<T>(
  valuesPtr: usize,
  absmaxPtr: usize,
  tablePtr: usize,
  codesPtr: usize,
  elementCount: usize,
  blockSize: usize,
): void {
  assert(blockSize > 0 && blockSize % 32 === 0 && elementCount % blockSize === 0);
  const smallest = load<f32>(tablePtr, SMALLEST_ABSMAX);
  while (elementCount > 0) {
    const inverse = f32x4.splat(1 / max<f32>(load<f32>(absmaxPtr), smallest));
    for (let i: usize = 0; i < blockSize; i += 16) {
      store<u64>(codesPtr, codes16<T>(valuesPtr, inverse, tablePtr));
      valuesPtr += 16 << elementShift<T>();
      codesPtr += 8;
    }
    absmaxPtr += 4;
    elementCount -= blockSize;
  }
}

// @ts-ignore: decorator
@inline
export function load4<T>(ptr: usize, index: usize): v128 {
  if (isFloat<T>()) return v128.load(ptr + (index << 2));
  const halves = v128.load64_zero(ptr + (index << 1));
  return i16x8.shuffle(i32x4.splat(0), halves, 0, 8, 1, 9, 2, 10, 3, 11);
}

/** Sixteen packed codes. */
// @ts-ignore: decorator
@inline
export function codes16<T>(ptr: usize, inverse: v128, tablePtr: usize): u64 {
  const s0 = f32x4.mul(load4<T>(ptr, 0), inverse);
  const s1 = f32x4.mul(load4<T>(ptr, 4), inverse);
  const s2 = f32x4.mul(load4<T>(ptr, 8), inverse);
  const s3 = f32x4.mul(load4<T>(ptr, 12), inverse);
  let rank0 = i32x4.splat(0);
  let rank1 = rank0;
  let rank2 = rank0;
  let rank3 = rank0;
  // A mask is −1, so subtracting it counts.
  for (let k: usize = 0; k < 60; k += 4) {
    const threshold = v128.load32_splat(tablePtr + k, THRESHOLDS);
    rank0 = i32x4.sub(rank0, f32x4.gt(s0, threshold));
    rank1 = i32x4.sub(rank1, f32x4.gt(s1, threshold));
    rank2 = i32x4.sub(rank2, f32x4.gt(s2, threshold));
    rank3 = i32x4.sub(rank3, f32x4.gt(s3, threshold));
  }
  const ranks = narrow32(rank0, rank1, rank2, rank3);
  const isNan = narrow32(f32x4.ne(s0, s0), f32x4.ne(s1, s1), f32x4.ne(s2, s2), f32x4.ne(s3, s3));
  const order = v128.load(tablePtr, ORDER);
  const codes = v128.bitselect(v128.load(tablePtr, NAN_CODE), lookUp16(order, ranks), isNan);
  const joined = i16x8.shr_u(i16x8.mul(codes, v128.load(tablePtr, NIBBLE_JOIN)), 8);
  return <u64>i64x2.extract_lane(i8x16.narrow_i16x8_u(joined, joined), 0);
}

/** Four i32x4 in [−128, 127] as one i8x16. */
// @ts-ignore: decorator
@inline
export function narrow32(a: v128, b: v128, c: v128, d: v128): v128 {
  return i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
}
