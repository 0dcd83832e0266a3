// Interleaved timing: every contestant runs in every round, so that a clock that swings (shared
// machines do) swings for all of them, and ratios are taken within a round.

/**
 * @typedef {object} Pace
 * @property {number} warmMs  how long each contestant runs before it is timed
 * @property {number} sampleMs  shortest time of one sample, so that the timer's step does not matter
 */
const USUAL = { warmMs: 40, sampleMs: 1 };

/** For trying that a benchmark runs. */
export const QUICK = { warmMs: 0, sampleMs: 0 };

/**
 * @param {Record<string, () => void>} contestants  what to run
 * @param {number} rounds
 * @param {Pace} pace
 * @returns {Record<string, number[]>} milliseconds of one call, by contestant and round
 */
export function interleave(contestants, rounds, { warmMs, sampleMs } = USUAL) {
  const names = Object.keys(contestants);
  const repeats = {};
  for (const name of names) {
    const run = contestants[name];
    const warmStart = performance.now();
    let calls = 0;
    do {
      run();
      calls++;
    } while (performance.now() < warmStart + warmMs && calls < 10_000);
    // The mean: a page's clock may stand still over one call.
    const elapsed = (performance.now() - warmStart) / calls;
    repeats[name] = Math.max(1, Math.ceil(sampleMs / Math.max(elapsed, 1e-4)));
  }
  const samples = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      const run = contestants[name];
      const count = repeats[name];
      const start = performance.now();
      for (let i = 0; i < count; i++) run();
      // A page's clock may stand still over a quick sample.
      samples[name].push(Math.max(performance.now() - start, 1e-6) / count);
    }
  }
  return samples;
}

/**
 * As `interleave`, a fixed number of calls a sample, with `before` untimed before each sample; calls
 * may be promises.
 *
 * @param {Record<string, () => unknown>} contestants
 * @param {number} rounds
 * @param {() => void} before
 */
export async function interleaveAfter(contestants, rounds, before, calls = 1) {
  const samples = Object.fromEntries(Object.keys(contestants).map((name) => [name, []]));
  const warmUp = Math.min(3, rounds);
  for (let round = -warmUp; round < rounds; round++) {
    for (const [name, run] of Object.entries(contestants)) {
      before();
      const start = performance.now();
      for (let call = 0; call < calls; call++) await run();
      const ms = (performance.now() - start) / calls;
      if (round >= 0) samples[name].push(ms);
    }
  }
  return samples;
}

/** Median, and the 10th and 90th percentile. */
export function spread(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  return { median: at(0.5), p10: at(0.1), p90: at(0.9) };
}

/** How many times as fast `name` is as `base`, round by round. */
export function speedRatio(samples, name, base) {
  return spread(samples[name].map((ms, round) => samples[base][round] / ms));
}
