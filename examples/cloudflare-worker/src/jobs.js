/** Jobs that nobody waits for: the queue, its consumer, and a note of how far each is. */

import { convert, outputOf } from "./convert.js";
import { isHopeless } from "./problem.js";
import { settingsOf } from "./settings.js";

const DEAD_QUEUE = "quantwise-dead-jobs";

/** @returns what is answered at once */
export async function enqueue(env, job) {
  const status = { state: "queued", output: job.output, since: new Date().toISOString() };
  await note(env, job, status);
  await env.JOBS.send(job);
  return status;
}

export async function statusOf(env, job) {
  const done = await outputOf(env, job, await env.BUCKET.head(job.source));
  if (done !== undefined) return done;
  const noted = await env.BUCKET.get(job.status);
  return noted === null ? { state: "none" } : await noted.json();
}

/**
 * Jobs may come twice: the second finds its output there. What cannot be mended is noted and not
 * tried again; what may be is, until it is dead.
 */
export async function consume({ queue, messages }, env) {
  const settings = settingsOf(env);
  for (const message of messages) {
    const job = message.body;
    const since = new Date().toISOString();
    if (queue === DEAD_QUEUE) {
      const reason = "every attempt failed; see the logs";
      await note(env, job, { state: "failed", error: reason, since });
      message.ack();
      continue;
    }
    try {
      await note(env, job, { state: "running", attempt: message.attempts, since });
      await convert(env, job, settings);
      await env.BUCKET.delete(job.status);
      message.ack();
    } catch (error) {
      console.error(error);
      const state = isHopeless(error) ? "failed" : "queued";
      await note(env, job, { state, error: error.message, attempt: message.attempts, since });
      if (state === "failed") message.ack();
      else message.retry({ delaySeconds: 30 * message.attempts });
    }
  }
}

async function note(env, { status }, what) {
  await env.BUCKET.put(status, JSON.stringify(what), {
    httpMetadata: { contentType: "application/json" },
  });
}
