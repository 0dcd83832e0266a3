/** SHA-256 (FIPS 180-4), because not every runtime has crypto.subtle everywhere. */

/** The first 32 bits of the fractional parts of the square and cube roots of the first primes. */
const { INITIAL, ROUNDS } = constants();

/** @param view any typed array; its bytes are hashed */
export function sha256(view) {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const blocks = Math.floor((bytes.length + 8) / 64) + 1;
  const padded = new Uint8Array(blocks * 64);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const data = new DataView(padded.buffer);
  data.setUint32(padded.length - 8, Math.floor(bytes.length / 2 ** 29));
  data.setUint32(padded.length - 4, bytes.length << 3);
  const state = INITIAL.slice();
  for (let begin = 0; begin < padded.length; begin += 64) compress(state, data, begin);
  return [...state].map((word) => word.toString(16).padStart(8, "0")).join("");
}

const words = new Uint32Array(64);

function compress(state, data, begin) {
  for (let i = 0; i < 16; i++) words[i] = data.getUint32(begin + 4 * i);
  for (let i = 16; i < 64; i++) {
    const x = words[i - 15];
    const y = words[i - 2];
    const s0 = turn(x, 7) ^ turn(x, 18) ^ (x >>> 3);
    const s1 = turn(y, 17) ^ turn(y, 19) ^ (y >>> 10);
    words[i] = words[i - 16] + s0 + words[i - 7] + s1;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i++) {
    const s1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25);
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + ROUNDS[i] + words[i]) | 0;
    const s0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22);
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((word, i) => {
    state[i] += word;
  });
}

function turn(word, bits) {
  return (word >>> bits) | (word << (32 - bits));
}

function constants() {
  const primes = [];
  for (let n = 2; primes.length < 64; n++) {
    if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  }
  // Engines differ in the last bits of a root, not in the first 32.
  const fraction = (root) => Math.floor((root - Math.floor(root)) * 2 ** 32);
  return {
    INITIAL: Uint32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime))),
    ROUNDS: Uint32Array.from(primes, (prime) => fraction(Math.cbrt(prime))),
  };
}
