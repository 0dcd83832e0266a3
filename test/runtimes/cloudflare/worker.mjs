/** examples/cloudflare-worker on the packed package, as wrangler bundles it, in miniflare. */

import { cpSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Miniflare } from "miniflare";
import { until } from "../lib/checks.mjs";
import { must, start, stop } from "../lib/processes.mjs";
import { here, node, program, root } from "../lib/project.mjs";
import { Inspector } from "./inspector.mjs";

const EXAMPLE = join(root, "examples/cloudflare-worker");
export const TOKEN = "a token of sixteen characters or more".replaceAll(" ", "-");

/** @param vars in the place of those of wrangler.json */
export async function startWorker({ project, folder }, vars) {
  const copy = join(project, "cloudflare-worker");
  cpSync(EXAMPLE, copy, {
    recursive: true,
    filter: (path) => !/node_modules|\.wrangler/.test(path),
  });
  const out = join(copy, "out");
  await must(program(".bin/wrangler"), ["deploy", "--dry-run", "--outdir", out], {
    cwd: copy,
    env: { WRANGLER_SEND_METRICS: "false", CI: "1" },
  });
  const config = JSON.parse(readFileSync(join(copy, "wrangler.json"), "utf8"));
  const store = join(folder, "r2");
  mkdirSync(store, { recursive: true });
  const log = [];
  const miniflare = new Miniflare({
    workers: [
      {
        name: "example",
        modulesRoot: out,
        scriptPath: join(out, "index.js"),
        modules: true,
        modulesRules: [
          { type: "CompiledWasm", include: ["**/*.wasm"] },
          { type: "ESModule", include: ["**/*.js"] },
        ],
        compatibilityDate: config.compatibility_date,
        compatibilityFlags: config.compatibility_flags,
        bindings: { ...config.vars, ...vars, TOKEN },
        r2Buckets: bindings(config.r2_buckets, "bucket_name"),
        queueProducers: bindings(config.queues.producers, "queue"),
        queueConsumers: Object.fromEntries(config.queues.consumers.map(consumerOf)),
      },
      {
        name: "loader",
        modules: [{ type: "ESModule", path: "loader.mjs", contents: LOADER }],
        compatibilityDate: config.compatibility_date,
        r2Buckets: bindings(config.r2_buckets, "bucket_name"),
        queueProducers: { DEAD: config.queues.consumers[0].dead_letter_queue },
        unsafeDirectSockets: [{}],
      },
    ],
    r2Persist: store,
    inspectorPort: 0,
    // The tests make errors, which the example logs: shown when a check fails.
    handleRuntimeStdio: (...streams) => {
      for (const stream of streams) stream.on("data", (text) => log.push(String(text)));
    },
  });
  const url = await miniflare.ready;
  const inspectorUrl = await miniflare.getInspectorURL();
  const inspector = await Inspector.open(new URL("/core:user:example", inspectorUrl));
  const loader = await miniflare.unsafeGetDirectURL("loader");
  const put = async (key, { size, chunks }) => {
    const answer = await fetch(new URL(key, loader), {
      method: "PUT",
      headers: { "content-length": String(size) },
      body: ReadableStream.from(chunks()),
      duplex: "half",
    });
    if (!answer.ok) throw new Error(`${key}: ${answer.status} ${await answer.text()}`);
  };
  const bury = (job) => fetch(loader, { method: "POST", body: JSON.stringify(job) });
  // R2's database is made by the first request.
  await put("nothing", { size: 1, chunks: () => [new Uint8Array(1)] });
  const uploads = await watchUploads(store);
  return {
    url,
    bucket: await miniflare.getR2Bucket("BUCKET", "example"),
    put,
    bury,
    inspector,
    log,
    uploads,
    async dispose() {
      uploads.stop();
      inspector.close();
      await miniflare.dispose();
    },
  };
}

/**
 * Large objects get into R2 as a stream: miniflare's own way holds them several times in memory.
 * And a message gets into the queue of those whose attempts are used up.
 */
const LOADER = `export default {
  async fetch(request, { BUCKET, DEAD }) {
    if (request.method === "POST") await DEAD.send(await request.json());
    else await BUCKET.put(new URL(request.url).pathname.slice(1), request.body);
    return new Response();
  },
};`;

const bindings = (list, field) =>
  Object.fromEntries(list.map(({ binding, [field]: name }) => [binding, name]));

function consumerOf(consumer) {
  return [
    consumer.queue,
    {
      maxBatchSize: consumer.max_batch_size,
      maxBatchTimeout: consumer.max_batch_timeout,
      maxRetries: consumer.max_retries,
      deadLetterQueue: consumer.dead_letter_queue,
    },
  ];
}

/**
 * R2's binding does not list uploads. Miniflare keeps them in SQLite, which Node 24 reads: a process
 * that says every number of unfinished ones, as soon as it changes.
 */
async function watchUploads(store) {
  const child = start(node(24), [
    "--no-warnings",
    join(here, "cloudflare/count-uploads.mjs"),
    store,
  ]);
  let count;
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    count = Number(text.trim().split("\n").at(-1));
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    said += text;
  });
  await until("uploads are counted", () => count !== undefined || said !== "");
  return {
    /** Waits until so many are unfinished. */
    async are(expected) {
      await until(`${expected} uploads, not ${count}`, () => {
        if (child.exitCode !== null) throw new Error(`uploads cannot be counted: ${said}`);
        return count === expected;
      });
    },
    stop: () => stop(child),
  };
}
