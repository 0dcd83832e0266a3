/** Weights to compare two implementations on: those that occur, and those at the ends of f32. */

/** The same numbers in [0, 1) every time. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Random = () => number;

const normal = (random: Random) =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

const pick = <Value>(random: Random, values: readonly Value[]) =>
  values[Math.floor(random() * values.length)] as Value;

const word = new DataView(new ArrayBuffer(4));

function floatOf(bits: number): number {
  word.setUint32(0, bits >>> 0);
  return word.getFloat32(0);
}

/** Any finite float, all exponents alike. */
function anyFloat(random: Random): number {
  return floatOf(Math.floor(random() * 2) * 2 ** 31 + Math.floor(random() * 0x7f800000));
}

/** Halves, and the floats beside one; with 127 the scale of Q8_0 is 1. */
const TIES = [
  ...[-8, -7.5, -2.5, -0.5, 0.5, 1.5, 2.5, 7.5, 8, 127],
  ...[0.5 - 2 ** -25, 2 ** -25 - 0.5, 0.5 + 2 ** -24],
];

/** A number for element i; `run` is one for all of its 16, or 32, neighbours. */
type Draw = (random: Random, i: number, run: Random) => number;

export const WEIGHTS: Readonly<Record<string, Draw>> = {
  normal: (random) => 0.02 * normal(random),
  "heavy tails": (random) => (0.02 * normal(random)) / (Math.abs(normal(random)) + 1e-4),
  "all zero": () => 0,
  "zeros of both signs": (random) => pick(random, [0, -0, 0, -0, -0, 1e-3 * normal(random)]),
  "−0 first": (random, i) => (i % 32 === 0 ? -0 : pick(random, [0, -0])),
  sparse: (random) => (random() < 0.9 ? 0 : normal(random)),
  "one in a block": (_, i) => (i % 256 === 77 ? -3 : 0),
  subnormal: (random) => anyFloat(random) * 2 ** -140,
  "tiny, about 1e-15": (random, _, run) => normal(random) * 10 ** (-17 + 4 * run()),
  "tiny, about 1e-30": (random, _, run) => normal(random) * 10 ** (-33 + 5 * run()),
  "small halves": (random, _, run) => normal(random) * 2 ** (-34 + 14 * run()),
  large: (random) => normal(random) * 3e4,
  huge: (random) => normal(random) * 1e37,
  "any floats": (random) => anyFloat(random),
  "signs of one magnitude": (random) => pick(random, [0.75, -0.75]),
  "ties of whole steps": (random) => pick(random, TIES),
  "not negative, zeros of both signs": (random) => pick(random, [0, -0, 0, -0, random()]),
  "whole numbers": (random) => Math.round(6 * normal(random)),
  "constant runs": (_random, _, run) => Math.fround(run() - 0.5),
  "constant block": (_random, i) => (i < 1024 ? 0.3 : -0.3),
  "above an offset": (random) => 1000 + 1e-4 * Math.floor(3 * random()),
  "below an offset": (random) => -1000 - 1e-4 * Math.floor(3 * random()),
  "all negative": (random) => -random() - 0.1,
  "runs of other scales": (random, _, run) => normal(random) * 2 ** (120 * (run() - 0.5)),
  "about powers of two": (random) => {
    const bits = (100 + Math.floor(55 * random())) << 23;
    return floatOf(bits + Math.floor(7 * random()) - 3) * pick(random, [1, -1]);
  },
  "just below powers of two": (_random, _, run) => {
    const power = (1 + Math.floor(254 * run())) << 23;
    return floatOf(power - pick(run, [0, 1, 2, 3, 5, 6, 11, 12, 22, 23, 44, 45]));
  },
  ramp: (_, i) => (i % 256) / 16 - 8,
};

/** `count` of them; runs are of 16 elements. */
export function weightsOf(name: string, count: number, seed: number): Float32Array {
  const draw = WEIGHTS[name] as Draw;
  const random = randomNumbers(seed);
  return Float32Array.from({ length: count }, (_, i) => {
    const value = draw(random, i, randomNumbers(seed * 7919 + (i >> 4)));
    return Math.abs(value) > 3.4e38 ? Math.sign(value) : value;
  });
}
