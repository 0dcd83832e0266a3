import { infinities, magnitudes } from "../../lanes/affine";

/**
 * min[s] = min(min[s], every finite x of the runs of scale s); max[s] likewise.
 *
 * Rows are cut into runs, every run has a scale, and after the last scale the first follows.
 *
 * @param valuesPtr     in      f32[elementCount]
 * @param minPtr        in/out  f32[scaleCount], +0 or below
 * @param maxPtr        in/out  f32[scaleCount], +0 or above
 * @param elementCount  any
 * @param rowRest       elements up to the end of the first element's row, at least 1
 * @param runRest       the same for its run
 * @param rowLength     any
 * @param runLength     any; a multiple of 8 is fast
 * @param scale         index of the first run's scale, below scaleCount
 * @param scaleCount    any
 * @returns 1 if every value is finite, else 0
 */
export function rangeRuns(
  valuesPtr: usize,
  minPtr: usize,
  maxPtr: usize,
  elementCount: usize,
  rowRest: usize,
  runRest: usize,
  rowLength: usize,
  runLength: usize,
  scale: usize,
  scaleCount: usize,
): u32 {
  assert(rowRest > 0 && runRest > 0 && rowLength > 0 && runLength > 0 && scale < scaleCount);
  const magnitude = magnitudes();
  const infinity = infinities();
  let finite = i32x4.splat(-1);
  while (elementCount > 0) {
    const count = min(min(rowRest, runRest), elementCount);
    const end = valuesPtr + (count << 2);
    let min0 = v128.load32_splat(minPtr + (scale << 2));
    let max0 = v128.load32_splat(maxPtr + (scale << 2));
    let min1 = min0;
    let max1 = max0;
    for (; valuesPtr + 32 <= end; valuesPtr += 32) {
      const x0 = v128.load(valuesPtr);
      const x1 = v128.load(valuesPtr, 16);
      const f0 = i32x4.gt_s(infinity, v128.and(x0, magnitude));
      const f1 = i32x4.gt_s(infinity, v128.and(x1, magnitude));
      finite = v128.and(finite, v128.and(f0, f1));
      // What is not finite becomes +0; the pseudo-minimum of +0 and −0 is the first.
      min0 = f32x4.pmin(min0, v128.and(x0, f0));
      max0 = f32x4.pmax(max0, v128.and(x0, f0));
      min1 = f32x4.pmin(min1, v128.and(x1, f1));
      max1 = f32x4.pmax(max1, v128.and(x1, f1));
    }
    for (; valuesPtr < end; valuesPtr += 4) {
      const x = v128.load32_zero(valuesPtr);
      const f = i32x4.gt_s(infinity, v128.and(x, magnitude));
      finite = v128.and(finite, f);
      min0 = f32x4.pmin(min0, v128.and(x, f));
      max0 = f32x4.pmax(max0, v128.and(x, f));
    }
    min0 = f32x4.pmin(min0, min1);
    max0 = f32x4.pmax(max0, max1);
    min0 = f32x4.pmin(min0, i32x4.shuffle(min0, min0, 2, 3, 0, 1));
    max0 = f32x4.pmax(max0, i32x4.shuffle(max0, max0, 2, 3, 0, 1));
    min0 = f32x4.pmin(min0, i32x4.shuffle(min0, min0, 1, 0, 3, 2));
    max0 = f32x4.pmax(max0, i32x4.shuffle(max0, max0, 1, 0, 3, 2));
    v128.store32_lane(minPtr + (scale << 2), min0, 0);
    v128.store32_lane(maxPtr + (scale << 2), max0, 0);

    elementCount -= count;
    rowRest -= count;
    if (rowRest === 0) rowRest = rowLength;
    runRest = runLength;
    if (++scale === scaleCount) scale = 0;
  }
  return i32x4.all_true(finite) ? 1 : 0;
}

/**
 * As `rangeRuns` with runs of 1: every value has the scale that follows the last one's.
 *
 * @param valuesPtr     in      f32[elementCount]
 * @param minPtr        in/out  f32[scaleCount], +0 or below
 * @param maxPtr        in/out  f32[scaleCount], +0 or above
 * @param elementCount  any
 * @param scale         index of the first value's scale, below scaleCount
 * @param scaleCount    any; a multiple of 4 is fast
 * @returns 1 if every value is finite, else 0
 */
export function rangeColumns(
  valuesPtr: usize,
  minPtr: usize,
  maxPtr: usize,
  elementCount: usize,
  scale: usize,
  scaleCount: usize,
): u32 {
  assert(scale < scaleCount);
  const magnitude = magnitudes();
  const infinity = infinities();
  let finite = i32x4.splat(-1);
  while (elementCount > 0) {
    const count = min(scaleCount - scale, elementCount);
    const end = valuesPtr + (count << 2);
    let lowPtr = minPtr + (scale << 2);
    let highPtr = maxPtr + (scale << 2);
    for (; valuesPtr + 16 <= end; valuesPtr += 16, lowPtr += 16, highPtr += 16) {
      const x = v128.load(valuesPtr);
      const f = i32x4.gt_s(infinity, v128.and(x, magnitude));
      finite = v128.and(finite, f);
      v128.store(lowPtr, f32x4.pmin(v128.load(lowPtr), v128.and(x, f)));
      v128.store(highPtr, f32x4.pmax(v128.load(highPtr), v128.and(x, f)));
    }
    for (; valuesPtr < end; valuesPtr += 4, lowPtr += 4, highPtr += 4) {
      const x = v128.load32_zero(valuesPtr);
      const f = i32x4.gt_s(infinity, v128.and(x, magnitude));
      finite = v128.and(finite, f);
      v128.store32_lane(lowPtr, f32x4.pmin(v128.load32_zero(lowPtr), v128.and(x, f)), 0);
      v128.store32_lane(highPtr, f32x4.pmax(v128.load32_zero(highPtr), v128.and(x, f)), 0);
    }
    elementCount -= count;
    scale = 0;
  }
  return i32x4.all_true(finite) ? 1 : 0;
}
