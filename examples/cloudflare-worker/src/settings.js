/** The `vars` of wrangler.json, as numbers. */

import { Problem } from "./problem.js";

export function settingsOf(env) {
  return {
    sourcePrefix: env.SOURCE_PREFIX ?? "models/",
    outputPrefix: env.OUTPUT_PREFIX ?? "quantized/",
    maxBytes: countOf(env, "MAX_BYTES"),
    queueAboveBytes: countOf(env, "QUEUE_ABOVE_BYTES"),
    idleMs: countOf(env, "IDLE_SECONDS") * 1000,
  };
}

function countOf(env, name) {
  const value = Number(env[name]);
  if (value > 0) return value;
  throw new Problem(500, `the variable ${name} must be a number above 0, not ${env[name]}`);
}
