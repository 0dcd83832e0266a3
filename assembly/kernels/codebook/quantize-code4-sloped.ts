import { interleaveHigh, interleaveLow } from "../../lanes/interleave";
import { elementShift, keys8 } from "../../lanes/keys";
import { lookUp16 } from "../../lanes/lookup";
import {
  CELL_KEY_HIGH,
  CELL_KEY_LOW,
  FAST_ABSMAX,
  FAST_ABSMAX_SPAN,
  HIGH_HALVES,
  KEY_BIAS,
  KEY_SCALE,
  KNEE,
  KNEE_SPAN,
  LOW_HALVES,
  LOW_NIBBLES,
  NIBBLE_JOIN,
} from "../../lanes/table4";
import { quantizeBf16ToCode4Exact, quantizeF32ToCode4Exact } from "./quantize-code4-exact";

/**
 * 4-bit codes of an ascending codebook, through a 16-bit key and sixteen cells of three slopes.
 *
 *   key  = round(x / absmax[b] · units + bias)               monotone in the scaled value
 *   cell = (h + min(sat(h − knee), span)) >> 4, h = key >> 8    at most one threshold a cell
 *   code = cell − (key < key of the cell's threshold)
 *
 * The slopes 1, 2, 1 give NF4's close levels around zero narrower cells. Where a key equals its
 * threshold's key, or absmax is extreme, the 32 values are done again by `…Exact`: same bits always.
 *
 * @param valuesPtr     in   f32[elementCount]
 * @param absmaxPtr     in   f32[elementCount / blockSize]
 * @param tablePtr      in   lanes/table4
 * @param codesPtr      out  u8[elementCount / 2], even element in the high nibble
 * @param elementCount  a multiple of blockSize
 * @param blockSize     a multiple of 32
 */
export function quantizeF32ToCode4Sloped(
  valuesPtr: usize,
  absmaxPtr: usize,
  tablePtr: usize,
  codesPtr: usize,
  elementCount: usize,
  blockSize: usize,
): void {
  quantizeBlocks<f32>(valuesPtr, absmaxPtr, tablePtr, codesPtr, elementCount, blockSize);
}

/** As `quantizeF32ToCode4Sloped`, for bfloat16. */
export function quantizeBf16ToCode4Sloped(
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
  const units = load<f32>(tablePtr, KEY_SCALE);
  const fastFrom = load<u32>(tablePtr, FAST_ABSMAX);
  const fastSpan = load<u32>(tablePtr, FAST_ABSMAX_SPAN);
  const bias = v128.load(tablePtr, KEY_BIAS);
  const low = v128.load(tablePtr, LOW_HALVES);
  const high = v128.load(tablePtr, HIGH_HALVES);
  const keyLow = v128.load(tablePtr, CELL_KEY_LOW);
  const keyHigh = v128.load(tablePtr, CELL_KEY_HIGH);
  const knee = v128.load(tablePtr, KNEE);
  const kneeSpan = v128.load(tablePtr, KNEE_SPAN);
  const lowNibbles = v128.load(tablePtr, LOW_NIBBLES);
  const join = v128.load(tablePtr, NIBBLE_JOIN);
  const zero = i32x4.splat(0);

  const end = codesPtr + (elementCount >> 1);
  while (codesPtr < end) {
    const absmax = load<f32>(absmaxPtr);
    const isFast = reinterpret<u32>(absmax) - fastFrom < fastSpan;
    const scale = f32x4.splat((1 / absmax) * units);
    const blockEnd = codesPtr + (blockSize >> 1);
    do {
      const a0 = keys8<T>(valuesPtr + (0 << elementShift<T>()), scale, bias, low, high);
      const a1 = keys8<T>(valuesPtr + (8 << elementShift<T>()), scale, bias, low, high);
      const ha = i8x16.narrow_i16x8_u(i16x8.shr_u(a0, 8), i16x8.shr_u(a1, 8));
      const ka = i8x16.add(ha, i8x16.min_u(i8x16.sub_sat_u(ha, knee), kneeSpan));
      const ca = v128.and(i16x8.shr_u(ka, 4), lowNibbles);
      const la = lookUp16(keyLow, ca);
      const ua = lookUp16(keyHigh, ca);
      const da = i8x16.narrow_i16x8_s(
        i16x8.sub(a0, interleaveLow(la, ua)),
        i16x8.sub(a1, interleaveHigh(la, ua)),
      );
      const qa = i16x8.shr_u(i16x8.mul(i8x16.add(ca, i8x16.lt_s(da, zero)), join), 8);
      const b0 = keys8<T>(valuesPtr + (16 << elementShift<T>()), scale, bias, low, high);
      const b1 = keys8<T>(valuesPtr + (24 << elementShift<T>()), scale, bias, low, high);
      const hb = i8x16.narrow_i16x8_u(i16x8.shr_u(b0, 8), i16x8.shr_u(b1, 8));
      const kb = i8x16.add(hb, i8x16.min_u(i8x16.sub_sat_u(hb, knee), kneeSpan));
      const cb = v128.and(i16x8.shr_u(kb, 4), lowNibbles);
      const lb = lookUp16(keyLow, cb);
      const ub = lookUp16(keyHigh, cb);
      const db = i8x16.narrow_i16x8_s(
        i16x8.sub(b0, interleaveLow(lb, ub)),
        i16x8.sub(b1, interleaveHigh(lb, ub)),
      );
      const qb = i16x8.shr_u(i16x8.mul(i8x16.add(cb, i8x16.lt_s(db, zero)), join), 8);
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
