/**
 * HalfSipHash-1-3 of names. Keyed, because names come from files that may be hostile: with a fixed
 * hash a header could choose a million names that collide and make reading quadratic.
 *
 * Source: J.-P. Aumasson, veorq/SipHash, `halfsiphash.c` (1 compression, 3 finalization rounds).
 */

export class NameHasher {
  readonly #k0 = (Math.random() * 2 ** 32) | 0;
  readonly #k1 = (Math.random() * 2 ** 32) | 0;

  /** 32 bits, unsigned. */
  hash(bytes: Uint8Array, start: number, end: number): number {
    let v0 = this.#k0;
    let v1 = this.#k1;
    let v2 = 0x6c796765 ^ this.#k0;
    let v3 = 0x74656462 ^ this.#k1;
    const length = end - start;
    const wholeEnd = start + (length & ~3);
    let word = 0;
    for (let at = start; ; at += 4) {
      const last = at >= wholeEnd;
      if (last) {
        word = length << 24;
        for (let k = 0; k < (length & 3); k++) word |= (bytes[at + k] as number) << (8 * k);
      } else {
        word =
          (bytes[at] as number) |
          ((bytes[at + 1] as number) << 8) |
          ((bytes[at + 2] as number) << 16) |
          ((bytes[at + 3] as number) << 24);
      }
      v3 ^= word;
      for (let round = last ? 4 : 1; ; ) {
        v0 = (v0 + v1) | 0;
        v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
        v0 = (v0 << 16) | (v0 >>> 16);
        v2 = (v2 + v3) | 0;
        v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
        v0 = (v0 + v3) | 0;
        v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
        v2 = (v2 + v1) | 0;
        v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
        v2 = (v2 << 16) | (v2 >>> 16);
        if (round === 4) {
          v0 ^= word;
          v2 ^= 0xff;
        }
        round -= 1;
        if (round === 0) break;
      }
      if (last) return (v1 ^ v3) >>> 0;
      v0 ^= word;
    }
  }
}
