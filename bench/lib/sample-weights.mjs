// Generated weights, the same on every machine: 1024 × 1024 each, from one seed each.

export const SIGMA = 0.02;
export const SHAPE = [1024, 1024];

/** Where the one outlier sits: in the middle of a row, a block of 64 and a group of 256 blocks. */
export const OUTLIER = { index: 520 * 1024 + 480, sigmas: 100 };

/** @typedef {{ name: string, what: string, shape: readonly number[], weights: Float32Array }} Sample */

/** @returns {Sample[]} */
export function sampleWeights() {
  return [
    { name: "Gaussian", what: "normal, σ = 0.02", ...fill(1, (random) => SIGMA * random.normal()) },
    {
      name: "heavy-tailed",
      what: "Student's t with 3 degrees of freedom, σ = 0.02",
      ...fill(2, (random) => (SIGMA / Math.sqrt(3)) * studentT3(random)),
    },
    {
      name: "outlier-ridden",
      what: "normal, σ = 0.02, and 0.1 % of them at ±20σ",
      ...fill(3, (random) => {
        const value = random.normal();
        if (random.uniform() >= 1e-3) return SIGMA * value;
        return 20 * SIGMA * Math.sign(value);
      }),
    },
  ];
}

/** Gaussian weights without and with one outlier of 100σ. */
export function outlierPair() {
  const { shape, weights } = fill(4, (random) => SIGMA * random.normal());
  const spoiled = weights.slice();
  spoiled[OUTLIER.index] = OUTLIER.sigmas * SIGMA;
  return { shape, clean: weights, spoiled };
}

/** @param {(random: ReturnType<typeof randomFrom>) => number} next */
function fill(seed, next) {
  const random = randomFrom(seed);
  const weights = Float32Array.from({ length: SHAPE[0] * SHAPE[1] }, () => next(random));
  return { shape: SHAPE, weights };
}

/** Normal over the root of a mean of three squares. Its variance is 3. */
function studentT3(random) {
  const squares = random.normal() ** 2 + random.normal() ** 2 + random.normal() ** 2;
  return random.normal() / Math.sqrt(squares / 3);
}

/** sfc32, seeded with a counter and run in; normals by Box and Muller. */
export function randomFrom(seed) {
  let [a, b, c, counter] = [0, seed, 0x9e3779b9, 1];
  const word = () => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let i = 0; i < 16; i++) word();
  const uniform = () => (word() + 0.5) / 2 ** 32;
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  return { uniform, normal };
}
