// A patch between two builds of one source, which differ in a few bytes here and there.
// src/kernels/wasm/patched.ts describes the form and applies it.

/** Bytes that must agree behind a difference before copying goes on. */
const AGREEMENT = 4;
/** A difference that is longer takes all that is left. */
const LONGEST = 64;

/**
 * @param {Uint8Array} from
 * @param {Uint8Array} to
 * @returns {number[]} bytes: for every difference how many bytes to copy, to drop and to insert, as
 *   LEB128, then those to insert. What follows the last is copied.
 */
export function patchBetween(from, to) {
  const patch = [];
  let [at, target, copied] = [0, 0, 0];
  while (at < from.length || target < to.length) {
    if (at < from.length && from[at] === to[target]) {
      [at, target, copied] = [at + 1, target + 1, copied + 1];
      continue;
    }
    const [dropped, inserted] = difference(from.subarray(at), to.subarray(target));
    patch.push(...leb128(copied), ...leb128(dropped), ...leb128(inserted));
    patch.push(...to.subarray(target, target + inserted));
    [at, target, copied] = [at + dropped, target + inserted, 0];
  }
  return patch;
}

/** The fewest bytes to drop and to insert, so that both go on alike. */
function difference(from, to) {
  for (let both = 1; both <= LONGEST; both++) {
    for (let dropped = 0; dropped <= both; dropped++) {
      if (agree(from, dropped, to, both - dropped)) return [dropped, both - dropped];
    }
  }
  return [from.length, to.length];
}

function agree(from, at, to, target) {
  if (at > from.length || target > to.length) return false;
  for (let i = 0; i < AGREEMENT; i++) if (from[at + i] !== to[target + i]) return false;
  return true;
}

function leb128(value) {
  return value < 128 ? [value] : [(value & 127) | 128, ...leb128(value >>> 7)];
}
