/** Bytes of one token that does not lie whole in one chunk, or that held escapes. */

const FIRST_BYTES = 256;
/** What grew above this is given back after its token. */
const KEPT_BYTES = 1 << 16;

export class Scratch {
  bytes = new Uint8Array(FIRST_BYTES);
  byteCount = 0;

  clear(): void {
    this.byteCount = 0;
    if (this.bytes.byteLength > KEPT_BYTES) this.bytes = new Uint8Array(FIRST_BYTES);
  }

  add(chunk: Uint8Array, start: number, end: number): void {
    if (end <= start) return;
    this.#reserve(end - start);
    copyBytes(chunk, start, end, this.bytes, this.byteCount);
    this.byteCount += end - start;
  }

  /** Adds one code point in UTF-8. */
  addCodePoint(point: number): void {
    this.#reserve(4);
    if (point < 0x80) {
      this.bytes[this.byteCount++] = point;
      return;
    }
    const extra = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    this.bytes[this.byteCount++] = ((0xff00 >> (extra + 1)) & 0xff) | (point >> (6 * extra));
    for (let k = extra - 1; k >= 0; k--) {
      this.bytes[this.byteCount++] = 0x80 | ((point >> (6 * k)) & 63);
    }
  }

  #reserve(extraBytes: number): void {
    const needed = this.byteCount + extraBytes;
    if (needed <= this.bytes.byteLength) return;
    const larger = new Uint8Array(Math.max(needed, this.bytes.byteLength * 2));
    larger.set(this.bytes.subarray(0, this.byteCount));
    this.bytes = larger;
  }
}

/** Copies `source[start..end)` to `target[at…)`; makes no view where the run is short. */
export function copyBytes(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  at: number,
): void {
  if (end - start > 128) target.set(source.subarray(start, end), at);
  else for (let i = start, k = at; i < end; i++, k++) target[k] = source[i] as number;
}
