/** Scales and minima of four sub-blocks at once; src/kernels/reference/ggml/search-min.ts. */

import {
  constant,
  LARGEST_RANGE,
  MAGIC,
  ONE,
  RANGE_SHARE,
  SMALLEST_RANGE,
} from "./constants";
import { INVERSES, MINS, SCALES, STARTS, TRIED, W, X } from "./places";
import { within } from "./transposed";

/** Errors counted by their squares. `j` is the first of the four sub-blocks. */
export function searchSquares(
  j: usize,
  count: usize,
  highest: f32,
  first: f32,
  steps: i32,
): bool {
  return search(j, count, highest, first, steps, true);
}

/** Errors counted by their magnitudes. */
export function searchMagnitudes(
  j: usize,
  count: usize,
  highest: f32,
  first: f32,
  steps: i32,
): bool {
  return search(j, count, highest, first, steps, false);
}

/**
 * Reads X and W. Writes, from sub-block `j` on, SCALES and MINS, and what the codes of the best scale
 * are made of: code = nearest(INVERSE · (x − START)).
 *
 * @returns false if rounding by addition might not do: ranges near the ends of f32, or minima that
 *   leave next to no range
 */
// @ts-ignore: decorator
@inline
function search(
  j: usize,
  count: usize,
  highest: f32,
  first: f32,
  steps: i32,
  squares: bool,
): bool {
  const byteCount = count << 4;
  const zero = f32x4.splat(0);
  const magic = constant(MAGIC);
  const top = f32x4.splat(highest);

  let min = v128.load(X);
  let max = min;
  let sumW = v128.load(W);
  let sumX = f32x4.mul(sumW, min);
  for (let at: usize = 16; at < byteCount; at += 16) {
    const x = v128.load(X + at);
    const w = v128.load(W + at);
    min = f32x4.pmin(min, x);
    max = f32x4.pmax(max, x);
    sumW = f32x4.add(sumW, w);
    sumX = f32x4.add(sumX, f32x4.mul(w, x));
  }
  min = f32x4.pmin(min, zero);
  const range = f32x4.sub(max, min);
  const flat = f32x4.eq(max, min);
  const fits = v128.and(
    f32x4.ge(range, constant(SMALLEST_RANGE)),
    f32x4.le(range, constant(LARGEST_RANGE)),
  );
  if (!i32x4.all_true(v128.or(fits, flat))) return false;
  const leastRange = f32x4.mul(range, constant(RANGE_SHARE));

  let inverse = f32x4.div(top, range);
  let scale = f32x4.div(constant(ONE), inverse);
  let chosen = inverse;
  let start = min;
  let best = zero;
  for (let at: usize = 0; at < byteCount; at += 16) {
    const x = v128.load(X + at);
    const code = within(f32x4.mul(inverse, f32x4.sub(x, min)), zero, top, magic);
    const diff = f32x4.sub(f32x4.add(f32x4.mul(scale, code), min), x);
    const size = squares ? f32x4.mul(diff, diff) : f32x4.abs(diff);
    best = f32x4.add(best, f32x4.mul(v128.load(W + at), size));
  }

  const step: f32 = 0.1;
  for (let n = 0; n <= steps; n++) {
    const width = f32x4.sub(max, min);
    const wide = f32x4.ge(f32x4.abs(width), leastRange);
    if (!i32x4.all_true(v128.or(wide, flat))) return false;
    inverse = f32x4.div(f32x4.splat(first + step * <f32>n + highest), width);
    let sumL = zero;
    let sumL2 = zero;
    let sumXL = zero;
    for (let at: usize = 0; at < byteCount; at += 16) {
      const x = v128.load(X + at);
      const code = within(f32x4.mul(inverse, f32x4.sub(x, min)), zero, top, magic);
      v128.store(TRIED + at, code);
      const wl = f32x4.mul(v128.load(W + at), code);
      sumL = f32x4.add(sumL, wl);
      sumL2 = f32x4.add(sumL2, f32x4.mul(wl, code));
      sumXL = f32x4.add(sumXL, f32x4.mul(wl, x));
    }
    const determinant = f32x4.sub(f32x4.mul(sumW, sumL2), f32x4.mul(sumL, sumL));
    let newScale = f32x4.div(
      f32x4.sub(f32x4.mul(sumW, sumXL), f32x4.mul(sumX, sumL)),
      determinant,
    );
    let newMin = f32x4.div(
      f32x4.sub(f32x4.mul(sumL2, sumX), f32x4.mul(sumL, sumXL)),
      determinant,
    );
    const isAbove = f32x4.gt(newMin, zero);
    newScale = v128.bitselect(f32x4.div(sumXL, sumL2), newScale, isAbove);
    newMin = v128.andnot(newMin, isAbove);
    let error = zero;
    for (let at: usize = 0; at < byteCount; at += 16) {
      const tried = f32x4.mul(newScale, v128.load(TRIED + at));
      const diff = f32x4.sub(f32x4.add(tried, newMin), v128.load(X + at));
      const size = squares ? f32x4.mul(diff, diff) : f32x4.abs(diff);
      error = f32x4.add(error, f32x4.mul(v128.load(W + at), size));
    }
    const isBetter = v128.and(f32x4.gt(determinant, zero), f32x4.lt(error, best));
    chosen = v128.bitselect(inverse, chosen, isBetter);
    start = v128.bitselect(min, start, isBetter);
    best = v128.bitselect(error, best, isBetter);
    scale = v128.bitselect(newScale, scale, isBetter);
    min = v128.bitselect(newMin, min, v128.andnot(isBetter, flat));
  }
  const place = j << 2;
  v128.store(SCALES + place, v128.andnot(scale, flat));
  v128.store(MINS + place, f32x4.neg(min));
  v128.store(INVERSES + place, v128.andnot(chosen, flat));
  v128.store(STARTS + place, start);
  return true;
}
