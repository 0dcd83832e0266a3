// What one would write without this library: naive, and as well as JavaScript allows. The results
// are right (up to ties); they are here to be timed.

const BLOCK = 64;

export function naiveAbsmax(values, absmax) {
  for (let b = 0; b < absmax.length; b++) {
    let largest = 0;
    for (let i = b * BLOCK; i < (b + 1) * BLOCK; i++) {
      largest = Math.max(largest, Math.abs(values[i]));
    }
    absmax[b] = largest;
  }
}

/** Compares every scaled value with every threshold. */
export function naiveQuantize(values, codes, absmax, thresholds) {
  naiveAbsmax(values, absmax);
  for (let b = 0; b < absmax.length; b++) {
    const inverse = Math.fround(1 / absmax[b]);
    for (let i = b * BLOCK; i < (b + 1) * BLOCK; i++) {
      const scaled = Math.fround(values[i] * inverse);
      let code = 0;
      for (let k = 0; k < thresholds.length; k++) if (scaled > thresholds[k]) code++;
      if (i % 2 === 0) codes[i >> 1] = code << 4;
      else codes[i >> 1] |= code;
    }
  }
}

const CELLS = 64;

/** The code below each of 64 even cells of [−1, 1], and the one threshold inside it. */
export function tunedTables(thresholds) {
  const base = new Uint8Array(CELLS + 1);
  const inside = new Float32Array(CELLS + 1).fill(2);
  for (let cell = 0; cell <= CELLS; cell++) {
    const from = (cell / CELLS) * 2 - 1;
    base[cell] = thresholds.filter((t) => t < from).length;
    inside[cell] = thresholds[base[cell]] ?? 2;
  }
  return { base, inside };
}

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/**
 * A lookup by cell and one comparison, two values at a time; magnitudes compared as integers. The
 * fastest of several ways to write it: with `? 1 : 0` for the comparison it runs at a quarter.
 */
export function tunedQuantize(values, codes, absmax, { base, inside }) {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  let at = 0;
  for (let b = 0; b < absmax.length; b++) {
    const end = at + BLOCK;
    let largest = 0;
    for (let i = at; i < end; i++) {
      const magnitude = words[i] & 0x7fffffff;
      largest = Math.max(largest, magnitude);
    }
    word[0] = largest;
    absmax[b] = float[0];
    const inverse = Math.fround(1 / float[0]);
    for (let i = at; i < end; i += 2) {
      const s0 = Math.fround(values[i] * inverse);
      const s1 = Math.fround(values[i + 1] * inverse);
      const c0 = ~~(s0 * 32 + 32);
      const c1 = ~~(s1 * 32 + 32);
      codes[i >> 1] = ((base[c0] + +(s0 > inside[c0])) << 4) | (base[c1] + +(s1 > inside[c1]));
    }
    at = end;
  }
}

export function naiveDequantize(codes, absmax, values, levels) {
  for (let i = 0; i < values.length; i++) {
    const byte = codes[i >> 1];
    values[i] = levels[i % 2 === 0 ? byte >> 4 : byte & 15] * absmax[i >> 6];
  }
}

/** A binary search over the midpoints of an 8-bit map, in blocks of 256. */
export function naiveQuantize8(values, codes, absmax, midpoints) {
  for (let b = 0; b * 256 < values.length; b++) {
    let largest = 0;
    for (let i = b * 256; i < (b + 1) * 256; i++) {
      largest = Math.max(largest, Math.abs(values[i]));
    }
    absmax[b] = largest;
    const inverse = Math.fround(1 / largest);
    for (let i = b * 256; i < (b + 1) * 256; i++) {
      const scaled = Math.fround(values[i] * inverse);
      let low = 0;
      let high = 255;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (midpoints[middle] < scaled) low = middle + 1;
        else high = middle;
      }
      codes[i] = low;
    }
  }
}
