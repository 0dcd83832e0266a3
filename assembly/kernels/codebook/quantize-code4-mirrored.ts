import { interleaveHigh, interleaveLow } from "../../lanes/interleave";
import { elementShift, keys8 } from "../../lanes/keys";
import { lookUp16 } from "../../lanes/lookup";
import {
  CELL_BIAS,
  CELL_KEY_HIGH,
  CELL_KEY_LOW,
  FAST_ABSMAX,
  FAST_ABSMAX_SPAN,
  FLIP,
  HIGH_HALVES,
  KEY_BIAS,
  KEY_SCALE,
  LAST_CELL,
  LOW_HALVES,
  MIRRORED_CODES,
  NIBBLE_JOIN,
  POSITIVE,
} from "../../lanes/table4";
import { quantizeBf16ToCode4Exact, quantizeF32ToCode4Exact } from "./quantize-code4-exact";

/**
 * 4-bit codes of a codebook whose thresholds mirror each other around zero (FP4).
 *
 *   scaled = x · ±fl(1 / absmax[b])
 *   key    = |round(scaled · 2^15)|          of the exact scaled value
 *   cell   = min((key + bias) >> 12, last)   one threshold a cell
 *   rank   = cell − (key < key of the cell's threshold)
 *   code   = codes[rank + 8 · (scaled > 0)]
 *
 * `scaled > 0` is exact, zeros included: ranks of zero differ by sign in both modes, and mode cuda
 * asks for `x < 0`, which is why the table may negate. Where a key equals its threshold's key, or
 * absmax is extreme, the 32 values are done again by `…Exact`: same bits always.
 *
 * @param valuesPtr     in   f32[elementCount]
 * @param absmaxPtr     in   f32[elementCount / blockSize]
 * @param tablePtr      in   lanes/table4
 * @param codesPtr      out  u8[elementCount / 2], even element in the high nibble
 * @param elementCount  a multiple of blockSize
 * @param blockSize     a multiple of 32
 */
export function quantizeF32ToCode4Mirrored(
  valuesPtr: usize,
  absmaxPtr: usize,
  tablePtr: usize,
  codesPtr: usize,
  elementCount: usize,
  blockSize: usize,
): void {
  quantizeBlocks<f32>(valuesPtr, absmaxPtr, tablePtr, codesPtr, elementCount, blockSize);
}

/**
 * As `quantizeF32ToCode4Mirrored`, for bfloat16. The sign is read from x: below the table's absmax
 * limit no bfloat16 but zero scales to zero.
 */
export function quantizeBf16ToCode4Mirrored(
  valuesPtr: usize,
  absmaxPtr: usize,
  tablePtr: usize,
  codesPtr: usize,
  elementCount: usize,
  blockSize: usize,
): void {
  quantizeBlocks<u16>(valuesPtr, absmaxPtr, tablePtr, codesPtr, elementCount, blockSize);
}

/** i8x16, above zero where the scaled value is. */
// @ts-ignore: decorator
@inline
export function signs16<T>(ptr: usize, scale: v128, flip: v128): v128 {
  if (isFloat<T>()) {
    // As integers the bits of f32 keep their sign, and saturation keeps it and zero.
    return i8x16.narrow_i16x8_s(
      i16x8.narrow_i32x4_s(f32x4.mul(v128.load(ptr), scale), f32x4.mul(v128.load(ptr, 16), scale)),
      i16x8.narrow_i32x4_s(
        f32x4.mul(v128.load(ptr, 32), scale),
        f32x4.mul(v128.load(ptr, 48), scale),
      ),
    );
  }
  return i8x16.narrow_i16x8_s(v128.xor(v128.load(ptr), flip), v128.xor(v128.load(ptr, 16), flip));
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
  const sign = load<f32>(tablePtr, KEY_SCALE);
  const fastFrom = load<u32>(tablePtr, FAST_ABSMAX);
  const fastSpan = load<u32>(tablePtr, FAST_ABSMAX_SPAN);
  const bias = v128.load(tablePtr, KEY_BIAS);
  const low = v128.load(tablePtr, LOW_HALVES);
  const high = v128.load(tablePtr, HIGH_HALVES);
  const keyLow = v128.load(tablePtr, CELL_KEY_LOW);
  const keyHigh = v128.load(tablePtr, CELL_KEY_HIGH);
  const cellBias = v128.load(tablePtr, CELL_BIAS);
  const lastCell = v128.load(tablePtr, LAST_CELL);
  const positive = v128.load(tablePtr, POSITIVE);
  const flip = v128.load(tablePtr, FLIP);
  const codeOf = v128.load(tablePtr, MIRRORED_CODES);
  const join = v128.load(tablePtr, NIBBLE_JOIN);
  const zero = i32x4.splat(0);

  const end = codesPtr + (elementCount >> 1);
  while (codesPtr < end) {
    const absmax = load<f32>(absmaxPtr);
    const isFast = reinterpret<u32>(absmax) - fastFrom < fastSpan;
    const scale = f32x4.splat((1 / absmax) * sign);
    const blockEnd = codesPtr + (blockSize >> 1);
    do {
      const middle = valuesPtr + (16 << elementShift<T>());
      const a0 = i16x8.abs(keys8<T>(valuesPtr, scale, bias, low, high));
      const a1 = i16x8.abs(keys8<T>(valuesPtr + (8 << elementShift<T>()), scale, bias, low, high));
      const sa = v128.and(i8x16.gt_s(signs16<T>(valuesPtr, scale, flip), zero), positive);
      const ca = i8x16.min_u(
        i8x16.narrow_i16x8_u(
          i16x8.shr_u(i16x8.add(a0, cellBias), 12),
          i16x8.shr_u(i16x8.add(a1, cellBias), 12),
        ),
        lastCell,
      );
      const la = lookUp16(keyLow, ca);
      const ua = lookUp16(keyHigh, ca);
      const da = i8x16.narrow_i16x8_s(
        i16x8.sub(a0, interleaveLow(la, ua)),
        i16x8.sub(a1, interleaveHigh(la, ua)),
      );
      const ra = v128.or(i8x16.add(ca, i8x16.lt_s(da, zero)), sa);
      const qa = i16x8.shr_u(i16x8.mul(lookUp16(codeOf, ra), join), 8);
      const b0 = i16x8.abs(keys8<T>(middle, scale, bias, low, high));
      const b1 = i16x8.abs(keys8<T>(middle + (8 << elementShift<T>()), scale, bias, low, high));
      const sb = v128.and(i8x16.gt_s(signs16<T>(middle, scale, flip), zero), positive);
      const cb = i8x16.min_u(
        i8x16.narrow_i16x8_u(
          i16x8.shr_u(i16x8.add(b0, cellBias), 12),
          i16x8.shr_u(i16x8.add(b1, cellBias), 12),
        ),
        lastCell,
      );
      const lb = lookUp16(keyLow, cb);
      const ub = lookUp16(keyHigh, cb);
      const db = i8x16.narrow_i16x8_s(
        i16x8.sub(b0, interleaveLow(lb, ub)),
        i16x8.sub(b1, interleaveHigh(lb, ub)),
      );
      const rb = v128.or(i8x16.add(cb, i8x16.lt_s(db, zero)), sb);
      const qb = i16x8.shr_u(i16x8.mul(lookUp16(codeOf, rb), join), 8);
      v128.store(codesPtr, i8x16.narrow_i16x8_u(qa, qb));
      if (!(isFast && i8x16.all_true(i8x16.min_u(da, db)))) {
        if (isFloat<T>()) quantizeF32ToCode4Exact(valuesPtr, absmaxPtr, tablePtr, codesPtr, 32, 32);
        else quantizeBf16ToCode4Exact(valuesPtr, absmaxPtr, tablePtr, codesPtr, 32, 32);
      }
      valuesPtr += 32 << elementShift<T>();
      codesPtr += 16;
    } while (codesPtr < blockEnd);
    absmaxPtr += 4;
  }
}
