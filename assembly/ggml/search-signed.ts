/** Signed scales of four sub-blocks of 16 at once; src/kernels/reference/ggml/search-signed.ts. */

import { constant, MAGIC, MAGIC_FRACTION, MAGIC_MIDDLE, TINY } from "./constants";
import { INVERSES, SCALES, TRIED, W, WX, X } from "./places";
import { extremes, nearestWithin, within } from "./transposed";

/** W = x², WX = W · x of `count` vectors. */
// @ts-ignore: decorator
@inline
export function weighSquares(byteCount: usize): void {
  for (let at: usize = 0; at < byteCount; at += 16) {
    const x = v128.load(X + at);
    const w = f32x4.mul(x, x);
    v128.store(W + at, w);
    v128.store(WX + at, f32x4.mul(w, x));
  }
}

/**
 * Reads X, W and WX. Writes SCALES and INVERSES from sub-block `j` on: the codes of the best scale are
 * nearest(INVERSE · x), and 0 with the offset where INVERSE is 0.
 */
export function searchSigned(j: usize, middle: f32): void {
  const zero = f32x4.splat(0);
  const magic = constant(MAGIC);
  const lowest = f32x4.splat(-middle);
  const highest = f32x4.splat(middle - 1);
  const most = extremes(X, 16);
  const tiny = f32x4.lt(f32x4.abs(most), constant(TINY));

  let scale = zero;
  let best = zero;
  let chosen = zero;
  for (let n = -10; n <= 9; n++) {
    if (n === 0) continue;
    const isFirst = n === -10;
    const size: f32 = isFirst ? -middle : -(middle + <f32>0.1 * <f32>n);
    const inverse = f32x4.div(f32x4.splat(size), most);
    let sumLX = zero;
    let sumL2 = zero;
    for (let at: usize = 0; at < 256; at += 16) {
      const code = within(f32x4.mul(inverse, v128.load(X + at)), lowest, highest, magic);
      sumLX = f32x4.add(sumLX, f32x4.mul(v128.load(WX + at), code));
      sumL2 = f32x4.add(sumL2, f32x4.mul(f32x4.mul(v128.load(W + at), code), code));
    }
    const newScale = f32x4.div(sumLX, sumL2);
    if (isFirst) {
      scale = v128.andnot(newScale, f32x4.eq(sumL2, zero));
      best = f32x4.mul(scale, sumLX);
      chosen = inverse;
      continue;
    }
    const isBetter = v128.and(
      f32x4.gt(sumL2, zero),
      f32x4.gt(f32x4.mul(sumLX, sumLX), f32x4.mul(best, sumL2)),
    );
    scale = v128.bitselect(newScale, scale, isBetter);
    best = v128.bitselect(f32x4.mul(newScale, sumLX), best, isBetter);
    chosen = v128.bitselect(inverse, chosen, isBetter);
  }
  v128.store(SCALES + (j << 2), v128.andnot(scale, tiny));
  v128.store(INVERSES + (j << 2), v128.andnot(chosen, tiny));
}

/** First codes of four sub-blocks, to TRIED + `at`, and their two sums. */
// @ts-ignore: decorator
@inline
function firstCode(at: usize, inverse: v128, lowest: v128, highest: v128, magic: v128): v128 {
  const code = within(f32x4.mul(inverse, v128.load(X + at)), lowest, highest, magic);
  v128.store(TRIED + at, code);
  return code;
}

// @ts-ignore: decorator
@inline
function nextCode(at: usize, lx: v128, l2: v128, fraction: v128, middle: v128): v128 {
  const quotient = f32x4.div(f32x4.mul(v128.load(X + at), l2), lx);
  const next = nearestWithin(quotient, i32x4.splat(-4), i32x4.splat(3), fraction, middle);
  return f32x4.convert_i32x4_s(next);
}

/** Which lanes change: both sums positive, another code, and a better scale. */
// @ts-ignore: decorator
@inline
function gains(
  lx: v128,
  code: v128,
  next: v128,
  newLX: v128,
  newL2: v128,
  sumLX: v128,
  sumL2: v128,
): v128 {
  const zero = f32x4.splat(0);
  const isBetter = f32x4.gt(
    f32x4.mul(f32x4.mul(newLX, newLX), sumL2),
    f32x4.mul(f32x4.mul(sumLX, sumLX), newL2),
  );
  const isMeant = v128.and(f32x4.gt(lx, zero), f32x4.ne(code, next));
  return v128.and(v128.and(isBetter, isMeant), f32x4.gt(newL2, zero));
}

/**
 * Q3_K's search for eight sub-blocks: those of X and, 256 bytes further, of the next four, whose chains
 * of operations do not wait for each other. Writes SCALES from sub-block `j` on, and codes to TRIED;
 * those of tiny sub-blocks are −4.
 */
export function searchDescent(j: usize, base: usize): void {
  const zero = f32x4.splat(0);
  const magic = constant(MAGIC);
  const fraction = constant(MAGIC_FRACTION);
  const middle = constant(MAGIC_MIDDLE);
  const lowest = f32x4.splat(-4);
  const highest = f32x4.splat(3);
  const end = base + 256;

  const mostA = extremes(X + base, 16);
  const mostB = extremes(X + base + 256, 16);
  const tinyA = f32x4.lt(f32x4.abs(mostA), constant(TINY));
  const tinyB = f32x4.lt(f32x4.abs(mostB), constant(TINY));
  const inverseA = f32x4.div(lowest, mostA);
  const inverseB = f32x4.div(lowest, mostB);
  let lxA = zero;
  let l2A = zero;
  let lxB = zero;
  let l2B = zero;
  for (let at = base; at < end; at += 16) {
    const a = firstCode(at, inverseA, lowest, highest, magic);
    const b = firstCode(at + 256, inverseB, lowest, highest, magic);
    lxA = f32x4.add(lxA, f32x4.mul(v128.load(WX + at), a));
    lxB = f32x4.add(lxB, f32x4.mul(v128.load(WX + at, 256), b));
    l2A = f32x4.add(l2A, f32x4.mul(f32x4.mul(v128.load(W + at), a), a));
    l2B = f32x4.add(l2B, f32x4.mul(f32x4.mul(v128.load(W + at, 256), b), b));
  }
  for (let pass = 0; pass < 5; pass++) {
    let changed = zero;
    for (let at = base; at < end; at += 16) {
      const wA = v128.load(W + at);
      const wB = v128.load(W + at, 256);
      const wxA = v128.load(WX + at);
      const wxB = v128.load(WX + at, 256);
      const codeA = v128.load(TRIED + at);
      const codeB = v128.load(TRIED + at, 256);
      const restA = f32x4.sub(lxA, f32x4.mul(wxA, codeA));
      const restB = f32x4.sub(lxB, f32x4.mul(wxB, codeB));
      const rest2A = f32x4.sub(l2A, f32x4.mul(f32x4.mul(wA, codeA), codeA));
      const rest2B = f32x4.sub(l2B, f32x4.mul(f32x4.mul(wB, codeB), codeB));
      const nextA = nextCode(at, restA, rest2A, fraction, middle);
      const nextB = nextCode(at + 256, restB, rest2B, fraction, middle);
      const isSame = v128.and(f32x4.eq(nextA, codeA), f32x4.eq(nextB, codeB));
      if (i32x4.all_true(isSame)) continue;
      const newA = f32x4.add(restA, f32x4.mul(wxA, nextA));
      const newB = f32x4.add(restB, f32x4.mul(wxB, nextB));
      const new2A = f32x4.add(rest2A, f32x4.mul(f32x4.mul(wA, nextA), nextA));
      const new2B = f32x4.add(rest2B, f32x4.mul(f32x4.mul(wB, nextB), nextB));
      const takeA = gains(restA, codeA, nextA, newA, new2A, lxA, l2A);
      const takeB = gains(restB, codeB, nextB, newB, new2B, lxB, l2B);
      lxA = v128.bitselect(newA, lxA, takeA);
      lxB = v128.bitselect(newB, lxB, takeB);
      l2A = v128.bitselect(new2A, l2A, takeA);
      l2B = v128.bitselect(new2B, l2B, takeB);
      v128.store(TRIED + at, v128.bitselect(nextA, codeA, takeA));
      v128.store(TRIED + at, v128.bitselect(nextB, codeB, takeB), 256);
      changed = v128.or(changed, v128.or(takeA, takeB));
    }
    if (!v128.any_true(changed)) break;
  }
  for (let at = base; at < end; at += 16) {
    v128.store(TRIED + at, v128.bitselect(lowest, v128.load(TRIED + at), tinyA));
    v128.store(TRIED + at, v128.bitselect(lowest, v128.load(TRIED + at, 256), tinyB), 256);
  }
  const noneA = v128.or(tinyA, v128.not(f32x4.gt(l2A, zero)));
  const noneB = v128.or(tinyB, v128.not(f32x4.gt(l2B, zero)));
  v128.store(SCALES + (j << 2), v128.andnot(f32x4.div(lxA, l2A), noneA));
  v128.store(SCALES + (j << 2), v128.andnot(f32x4.div(lxB, l2B), noneB), 16);
}
