/** examples/cloudflare-worker in workerd, with a real R2 and real queues: what it promises. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { bodyChecks } from "../cloudflare/bodies.mjs";
import { objectChecks } from "../cloudflare/objects.mjs";
import { startWorker } from "../cloudflare/worker.mjs";
import { Checks } from "../lib/checks.mjs";
import { program } from "../lib/project.mjs";
import { rowOf } from "../lib/rows.mjs";

const VARS = { MAX_BYTES: "1200000000", QUEUE_ABOVE_BYTES: "300000000", IDLE_SECONDS: "1" };

const cloudflareExample = {
  name: "examples/cloudflare-worker",
  version: () => JSON.parse(readFileSync(program("miniflare/package.json"), "utf8")).version,
  run: async (context) => {
    const worker = await startWorker(context, VARS);
    const library = await import(
      pathToFileURL(join(context.package, "build/js/checkpoint.js")).href
    );
    const checks = new Checks();
    try {
      for (const [name, check] of [...bodyChecks, ...objectChecks])
        await checks.check(name, () => check(worker, library));
    } finally {
      await worker.dispose();
    }
    const row = rowOf({ kernels: { name: "-", reason: "" }, checks: checks.checks });
    if (row.problems.length > 0) console.log(worker.log.join("").slice(-10_000));
    return row;
  },
};

export const examplesCloudflare = [cloudflareExample];
