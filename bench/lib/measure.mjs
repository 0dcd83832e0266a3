// Interleaved timing: every contestant runs in every round, so that a clock that swings (shared
// machines do) swings for all of them, and ratios are taken within a round.

/** Shortest time that one sample may take, so that the timer's step does not matter. */
const SAMPLE_MS = 1;

/**
 * @param {Record<string, () => void>} contestants  what to run
 * @param {number} rounds
 * @returns {Record<string, number[]>} milliseconds of one call, by contestant and round
 */
export function interleave(contestants, rounds) {
  const names = Object.keys(contestants);
  const repeats = {};
  for (const name of names) {
    const run = contestants[name];
    const warmUntil = performance.now() + 40;
    let calls = 0;
    let elapsed = 0;
    do {
      const start = performance.now();
      run();
      elapsed = performance.now() - start;
      calls++;
    } while (performance.now() < warmUntil && calls < 10_000);
    repeats[name] = Math.max(1, Math.ceil(SAMPLE_MS / Math.max(elapsed, 1e-4)));
  }
  const samples = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      const run = contestants[name];
      const count = repeats[name];
      const start = performance.now();
      for (let i = 0; i < count; i++) run();
      samples[name].push((performance.now() - start) / count);
    }
  }
  return samples;
}

/**
 * As `interleave`, one call a sample, with `before` untimed before each; calls may be promises.
 *
 * @param {Record<string, () => unknown>} contestants
 * @param {number} rounds
 * @param {() => void} before
 */
export async function interleaveAfter(contestants, rounds, before) {
  const samples = Object.fromEntries(Object.keys(contestants).map((name) => [name, []]));
  const warmUp = 3;
  for (let round = -warmUp; round < rounds; round++) {
    for (const [name, run] of Object.entries(contestants)) {
      before();
      const start = performance.now();
      await run();
      const ms = performance.now() - start;
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
