/** A list of checks as the suite reports them, for what is not the suite. */

import { isDeepStrictEqual } from "node:util";

export class Checks {
  checks = [];

  /** A check that hangs is ended. */
  async check(name, body, seconds = 60) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not within ${seconds} s`)), seconds * 1000);
    });
    try {
      await Promise.race([body(), late]);
      this.checks.push({ name, problem: "" });
    } catch (error) {
      this.checks.push({ name, problem: `${error?.name}: ${error?.message ?? error}` });
    } finally {
      clearTimeout(timer);
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
