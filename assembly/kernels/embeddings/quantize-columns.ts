import { largerMagnitude, largestLane } from "../../lanes/magnitude";

/**
 * code = floor(fl(fl(x − start[c]) / step[c])), clipped to 0 … 255, then XOR `flip`; NaN is 0 there.
 *
 * Truncating does for the floor, because both clip what is negative to 0; the narrowing clips.
 *
 * @param valuesPtr    in   f32[rowCount · columnCount]
 * @param startPtr     in   f32[columnCount]
 * @param stepPtr      in   f32[columnCount]
 * @param codesPtr     out  u8[rowCount · columnCount]
 * @param columnCount  any
 * @param flip         0x80 for codes less 128, or 0
 * @returns bits of the largest |x|; NaN counts as larger than infinity
 */
export function quantizeF32ToColumns8(
  valuesPtr: usize,
  startPtr: usize,
  stepPtr: usize,
  codesPtr: usize,
  rowCount: usize,
  columnCount: usize,
  flip: u32,
): u32 {
  const magnitude = i32x4.splat(0x7fffffff);
  const flips = i8x16.splat(<i8>flip);
  const groupedEnd = (columnCount & ~15) << 2;
  const rowBytes = columnCount << 2;
  let top = i32x4.splat(0);

  for (; rowCount > 0; rowCount--) {
    let at: usize = 0;
    for (; at < groupedEnd; at += 64, codesPtr += 16) {
      const values = valuesPtr + at;
      const starts = startPtr + at;
      const steps = stepPtr + at;
      const x0 = v128.load(values);
      const x1 = v128.load(values, 16);
      const x2 = v128.load(values, 32);
      const x3 = v128.load(values, 48);
      top = largerMagnitude(top, x0, x1, x2, x3, magnitude);
      const c0 = whole(x0, v128.load(starts), v128.load(steps));
      const c1 = whole(x1, v128.load(starts, 16), v128.load(steps, 16));
      const c2 = whole(x2, v128.load(starts, 32), v128.load(steps, 32));
      const c3 = whole(x3, v128.load(starts, 48), v128.load(steps, 48));
      v128.store(codesPtr, v128.xor(clipped(c0, c1, c2, c3), flips));
    }
    for (; at < rowBytes; at += 4, codesPtr++) {
      const x = v128.load32_splat(valuesPtr + at);
      top = i32x4.max_s(top, v128.and(x, magnitude));
      // Splats: lanes of zeros would divide 0 by 0, which is slow.
      const code = whole(x, v128.load32_splat(startPtr + at), v128.load32_splat(stepPtr + at));
      store<u8>(codesPtr, i8x16.extract_lane_u(clipped(code, code, code, code), 0) ^ flip);
    }
    valuesPtr += rowBytes;
  }
  return largestLane(top);
}

// @ts-ignore: decorator
@inline
function whole(x: v128, start: v128, step: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.div(f32x4.sub(x, start), step));
}

/** Sixteen bytes, each clipped to 0 … 255. */
// @ts-ignore: decorator
@inline
function clipped(c0: v128, c1: v128, c2: v128, c3: v128): v128 {
  return i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(c0, c1), i16x8.narrow_i32x4_s(c2, c3));
}
