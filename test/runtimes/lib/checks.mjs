/** A list of checks as the suite reports them, for what is not the suite. */

import { isDeepStrictEqual } from "node:util";

export class Checks {
  checks = [];

  async check(name, body) {
    try {
      await body();
      this.checks.push({ name, problem: "" });
    } catch (error) {
      this.checks.push({ name, problem: `${error?.name}: ${error?.message ?? error}` });
    }
  }
}

export function same(actual, expected, what) {
  if (isDeepStrictEqual(actual, expected)) return;
  throw new Error(`${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`);
}

/** Asks until it says something; whatever takes too long is an error. */
export async function until(what, ask, seconds = 20) {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (performance.now() > end) throw new Error(`${what}: not within ${seconds} s`);
    await new Promise((done) => setTimeout(done, 50));
  }
}
