import {
  CELL_BASES,
  FAST_ABSMAX,
  FAST_ABSMAX_SPAN,
  FIRST_CELL,
  LAST_CELL,
  MAGNITUDE,
  NAN_CODE,
  NEGATIVE,
  SMALLEST_ABSMAX,
  THRESHOLDS,
} from "../../lanes/table8";

/**
 * 8-bit codes of an ascending map, through cells of the scaled value's upper bits.
 *
 *   scaled = fl(x · fl(1 / max(absmax[b], smallest)))
 *   cell   = sign, exponent and seven fraction bits of scaled, cut to the table
 *   code   = base[cell] + (scaled > threshold[base[cell]])      at most one threshold a cell
 *
 * Blocks whose absmax allows NaN go through `…Searched`.
 *
 * @param valuesPtr     in   f32[elementCount]
 * @param absmaxPtr     in   f32[ceil(elementCount / blockSize)]
 * @param tablePtr      in   lanes/table8
 * @param codesPtr      out  u8[elementCount]
 * @param elementCount  any; the last block may be short, and is scaled like the others
 * @param blockSize     any
 */
export function quantizeF32ToCode8(
  valuesPtr: usize,
  absmaxPtr: usize,
  tablePtr: usize,
  codesPtr: usize,
  elementCount: usize,
  blockSize: usize,
): void {
  assert(blockSize > 0);
  const smallest = load<f32>(tablePtr, SMALLEST_ABSMAX);
  const fastFrom = load<u32>(tablePtr, FAST_ABSMAX);
  const fastSpan = load<u32>(tablePtr, FAST_ABSMAX_SPAN);
  const magnitude = v128.load(tablePtr, MAGNITUDE);
  const firstCell = v128.load(tablePtr, FIRST_CELL);
  const lastCell = v128.load(tablePtr, LAST_CELL);
  const negative = v128.load(tablePtr, NEGATIVE);

  while (elementCount > 0) {
    const count = min(elementCount, blockSize);
    const absmax = load<f32>(absmaxPtr);
    const end = codesPtr + count;
    if (reinterpret<u32>(absmax) - fastFrom < fastSpan) {
      const inverse = f32x4.splat(1 / max<f32>(absmax, smallest));
      for (const last = codesPtr + (count & ~7); codesPtr < last; codesPtr += 8) {
        const s0 = f32x4.mul(v128.load(valuesPtr), inverse);
        const s1 = f32x4.mul(v128.load(valuesPtr, 16), inverse);
        const upper = i16x8.narrow_i32x4_u(i32x4.shr_u(s0, 16), i32x4.shr_u(s1, 16));
        const cells = v128.or(
          i16x8.min_u(i16x8.sub_sat_u(v128.and(upper, magnitude), firstCell), lastCell),
          v128.and(i16x8.shr_u(upper, 3), negative),
        );
        const c0 = tablePtr + i16x8.extract_lane_u(cells, 0);
        const c1 = tablePtr + i16x8.extract_lane_u(cells, 1);
        const c2 = tablePtr + i16x8.extract_lane_u(cells, 2);
        const c3 = tablePtr + i16x8.extract_lane_u(cells, 3);
        const c4 = tablePtr + i16x8.extract_lane_u(cells, 4);
        const c5 = tablePtr + i16x8.extract_lane_u(cells, 5);
        const c6 = tablePtr + i16x8.extract_lane_u(cells, 6);
        const c7 = tablePtr + i16x8.extract_lane_u(cells, 7);
        let t0 = v128.load32_zero(thresholdOf(tablePtr, c0));
        let t1 = v128.load32_zero(thresholdOf(tablePtr, c4));
        let bases = v128.load8_splat(c0, CELL_BASES);
        t0 = v128.load32_lane(thresholdOf(tablePtr, c1), t0, 1);
        t1 = v128.load32_lane(thresholdOf(tablePtr, c5), t1, 1);
        bases = v128.load8_lane(c1, bases, 1, CELL_BASES);
        bases = v128.load8_lane(c2, bases, 2, CELL_BASES);
        t0 = v128.load32_lane(thresholdOf(tablePtr, c2), t0, 2);
        t1 = v128.load32_lane(thresholdOf(tablePtr, c6), t1, 2);
        bases = v128.load8_lane(c3, bases, 3, CELL_BASES);
        bases = v128.load8_lane(c4, bases, 4, CELL_BASES);
        t0 = v128.load32_lane(thresholdOf(tablePtr, c3), t0, 3);
        t1 = v128.load32_lane(thresholdOf(tablePtr, c7), t1, 3);
        bases = v128.load8_lane(c5, bases, 5, CELL_BASES);
        bases = v128.load8_lane(c6, bases, 6, CELL_BASES);
        bases = v128.load8_lane(c7, bases, 7, CELL_BASES);
        const above = i16x8.narrow_i32x4_s(f32x4.gt(s0, t0), f32x4.gt(s1, t1));
        const codes = i8x16.sub(bases, i8x16.narrow_i16x8_s(above, above));
        v128.store64_lane(codesPtr, codes, 0);
        valuesPtr += 32;
      }
    }
    searchRun(valuesPtr, tablePtr, codesPtr, end, 1 / max<f32>(absmax, smallest));
    valuesPtr += (end - codesPtr) << 2;
    codesPtr = end;
    absmaxPtr += 4;
    elementCount -= count;
  }
}

/** As `quantizeF32ToCode8`, by binary search: any ascending map, any absmax. */
export function quantizeF32ToCode8Searched(
  valuesPtr: usize,
  absmaxPtr: usize,
  tablePtr: usize,
  codesPtr: usize,
  elementCount: usize,
  blockSize: usize,
): void {
  assert(blockSize > 0);
  const smallest = load<f32>(tablePtr, SMALLEST_ABSMAX);
  while (elementCount > 0) {
    const count = min(elementCount, blockSize);
    const inverse: f32 = 1 / max<f32>(load<f32>(absmaxPtr), smallest);
    searchRun(valuesPtr, tablePtr, codesPtr, codesPtr + count, inverse);
    valuesPtr += count << 2;
    codesPtr += count;
    absmaxPtr += 4;
    elementCount -= count;
  }
}

/** Address of the one threshold that a cell may hold. */
// @ts-ignore: decorator
@inline
export function thresholdOf(tablePtr: usize, cellPtr: usize): usize {
  return tablePtr + THRESHOLDS + ((<usize>load<u8>(cellPtr, CELL_BASES)) << 2);
}

/** Counts the thresholds below each scaled value by halving: 255 are always seven and one steps. */
function searchRun(
  valuesPtr: usize,
  tablePtr: usize,
  codesPtr: usize,
  end: usize,
  inverse: f32,
): void {
  const nanCode = load<u32>(tablePtr, NAN_CODE);
  for (; codesPtr < end; codesPtr++, valuesPtr += 4) {
    const scaled = load<f32>(valuesPtr) * inverse;
    let code: usize = 0;
    for (let step: usize = 128; step > 0; step >>= 1) {
      const threshold = load<f32>(tablePtr + ((code + step - 1) << 2), THRESHOLDS);
      code += scaled > threshold ? step : 0;
    }
    store<u8>(codesPtr, isNaN<f32>(scaled) ? nanCode : <u32>code);
  }
}
