/** Runs that end early, and those that take up their work. */

import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { Worker } from "node:worker_threads";
import { describe, expect, it, vi } from "vitest";
import type { FinishedUnit } from "../../src/checkpoint/journal.ts";
import { JournalFile, readJournal } from "../../src/node/journal-file.ts";
import { partialName } from "../../src/node/partial-name.ts";
import { quantizeModel } from "../../src/node/quantize-model.ts";
import type { QuantizeModelOptions } from "../../src/node/quantize-options.ts";
import type { RunIdentity } from "../../src/node/run-identity.ts";
import { opaque } from "../checkpoint/safetensors-files.ts";
import { errorOf } from "../checkpoint/streams.ts";
import { filesBelow, namesIn, temporaryFolder } from "../cli/quantwise.ts";
import { sendFile, serve } from "../web/server.ts";
import { llamaConfig, llamaTensors, writeModel, writeShards } from "./models.ts";

const tensors = llamaTensors({ layers: 4, hidden: 128 });
const halves = [0, 1].map((i) => tensors.filter((_, at) => at % 2 === i));

function newModel(): string {
  return writeShards(join(temporaryFolder(), "model"), halves, llamaConfig());
}

/** Stops behind some tensors. @returns the folder that is kept */
async function stopped(
  model: string,
  out: string,
  after: number,
  options: QuantizeModelOptions = {},
): Promise<string> {
  const stop = new AbortController();
  let done = 0;
  let kept = "";
  const job = quantizeModel(model, out, {
    ...options,
    resume: true,
    syncBytes: 1000,
    signal: stop.signal,
    onTensor: () => {
      done++;
      if (done === after) stop.abort(new Error("enough"));
    },
    onKept: (path) => {
      kept = path;
    },
  });
  expect((await errorOf(job)).message).toBe("enough");
  expect(namesIn(dirname(out))).toEqual([basename(kept)]);
  return kept;
}

function contentOf(folder: string): [string, string][] {
  return [...filesBelow(folder)].map(([name, bytes]) => [name, bytes.toString("base64")]);
}

async function expectSame(model: string, out: string, options: QuantizeModelOptions = {}) {
  const whole = join(temporaryFolder(), basename(out));
  const reference = await quantizeModel(model, whole, options);
  let done = 0;
  const result = await quantizeModel(model, out, {
    ...options,
    resume: true,
    onTensor: () => done++,
  });
  expect(namesIn(dirname(out))).toEqual([basename(out)]);
  expect(contentOf(dirname(out))).toEqual(contentOf(dirname(whole)));
  expect(result.totals).toEqual(reference.totals);
  expect(result.files).toEqual(reference.files);
  expect(done + result.resumedTensors).toBe(tensors.length);
  return result.resumedTensors;
}

const original = Worker.prototype.postMessage;

const newOut = (name = "out") => join(temporaryFolder(), name);

describe("a run that was stopped", () => {
  it.each([
    ["a directory", "out", {}],
    ["threads", "out", { threads: 2 }],
    ["shards", "out", { maxShardSize: 100_000 }],
    ["shards and threads", "out", { maxShardSize: 100_000, threads: 2 }],
    ["one file", "out.safetensors", {}],
    ["LLM.int8", "out", { quantType: "llm-int8", maxShardSize: 200_000 }],
    [
      "a mixture",
      "out.safetensors",
      { quantType: "int8", rules: [{ pattern: "**.mlp.**", action: "nf4" }] },
    ],
  ] as [string, string, QuantizeModelOptions][])(
    "is taken up behind its last tensor: %s",
    async (_, name, options) => {
      const model = newModel();
      for (const after of [1, 13, tensors.length - 1]) {
        const out = newOut(name);
        await stopped(model, out, after, options);
        expect(await expectSame(model, out, options)).toBeGreaterThanOrEqual(after);
      }
    },
    60_000,
  );

  it("is taken up again and again, with other threads each time", async () => {
    const model = newModel();
    const out = newOut();
    for (const threads of [1, 2, 1]) await stopped(model, out, 7, { threads });
    expect(await expectSame(model, out)).toBeGreaterThanOrEqual(21);
  });

  it("is told of by the next run, which begins anew", async () => {
    const model = newModel();
    const out = newOut();
    const kept = await stopped(model, out, 5);
    const left: string[] = [];
    const onLeftover = (path: string) => left.push(path);
    await quantizeModel(model, out, { quantType: "fp4", onLeftover });
    expect(left).toEqual([]);
    await quantizeModel(model, out, { overwrite: true, onLeftover });
    expect(left).toEqual([kept]);
  });

  it("leaves nothing without resume", async () => {
    const out = newOut();
    const stop = new AbortController();
    const options = { signal: stop.signal, onTensor: () => stop.abort(new Error("enough")) };
    await errorOf(quantizeModel(newModel(), out, options));
    expect(namesIn(dirname(out))).toEqual([]);
  });

  it("goes on from an address", async () => {
    const model = newModel();
    let etag = '"a"';
    const { origin } = await serve((request, response) => {
      const path = join(model, request.url ?? "");
      const name = basename(path);
      if (!readdirSync(model).includes(name)) response.writeHead(404).end();
      else sendFile(request, response, readFileSync(path), { etag });
    });
    const out = newOut();
    await stopped(`${origin}/`, out, 13);
    etag = '"b"';
    const error = await errorOf(quantizeModel(`${origin}/`, out, { resume: true }));
    expect(error.message).toMatch(/model-00001-of-00002.safetensors was written to since/);
    etag = '"a"';
    expect(await expectSame(`${origin}/`, out)).toBeGreaterThanOrEqual(13);
  });
});

describe("what is left", () => {
  it.each([
    [{ quantType: "fp4" }, /quantType was "nf4", and is "fp4" now/],
    [{ blockSize: 128 }, /blockSize was not given, and is 128 now/],
    [{ maxShardSize: 100_000 }, /maxShardSize was 5000000000, and is 100000 now/],
    [{ exclude: ["a.b"] }, /exclude was not given, and is \["a.b"\] now/],
  ] as [QuantizeModelOptions, RegExp][])(
    "of other options is refused: %o",
    async (options, text) => {
      const model = newModel();
      const out = newOut();
      const kept = await stopped(model, out, 5);
      const error = await errorOf(quantizeModel(model, out, { ...options, resume: true }));
      expect(error).toMatchObject({ code: "STORAGE" });
      expect(error.message).toMatch(text);
      expect(error.message).toContain(`cannot resume ${kept}`);
      expect(namesIn(dirname(out))).toEqual([basename(kept)]);
      await expectSame(model, out);
    },
  );

  it("of another model is refused", async () => {
    const model = newModel();
    const out = newOut();
    await stopped(model, out, 5);
    const again = () => errorOf(quantizeModel(model, out, { resume: true }));
    const shard = join(model, "model-00002-of-00002.safetensors");
    const { mtime } = statSync(shard);
    utimesSync(shard, mtime, new Date(mtime.getTime() + 5000));
    expect((await again()).message).toMatch(
      /model-00002-of-00002.safetensors was written to since/,
    );
    utimesSync(shard, mtime, mtime);
    writeFileSync(join(model, "config.json"), llamaConfig({ rope_theta: 5 }));
    expect((await again()).message).toMatch(/written to since|config.json has changed/);
    appendFileSync(shard, " ");
    expect((await again()).message).toMatch(/bytes/);
  });

  it("by two runs is refused, until one is gone", async () => {
    const model = newModel();
    const out = newOut();
    const kept = await stopped(model, out, 5);
    cpSync(kept, kept.replace(/[0-9a-f]{4}\.partial$/, "0000.partial"), { recursive: true });
    const error = await errorOf(quantizeModel(model, out, { resume: true }));
    expect(error.message).toMatch(/both fit; remove all but one/);
  });

  it("by a run that still runs is refused", async () => {
    const model = newModel();
    const out = newOut();
    const kept = await stopped(model, out, 5);
    const used = partialName(out);
    renameSync(kept, used);
    const error = await errorOf(quantizeModel(model, out, { resume: true }));
    expect(error.message).toMatch(/is being written by another run; wait for it, or end it/);
    // The same number, of a process that began at another time.
    renameSync(used, used.replace(/-\d+-0\.partial$/, "-1-0.partial"));
    expect(await expectSame(model, out)).toBeGreaterThanOrEqual(5);
  });

  it.each([
    [
      "a line that was cut off",
      (journal: string) => truncateSync(journal, statSync(journal).size - 5),
    ],
    [
      "a line that makes no sense",
      (journal: string) => appendFileSync(journal, "00000000 {}\n\0\0\0\n"),
    ],
  ])("ends with %s", async (_, spoil) => {
    const model = newModel();
    const out = newOut();
    const kept = await stopped(model, out, 13);
    spoil(join(kept, "quantwise.journal"));
    expect(await expectSame(model, out)).toBeGreaterThanOrEqual(12);
  });

  it("of a file that has lost bytes is done again", async () => {
    const model = newModel();
    const out = newOut();
    const kept = await stopped(model, out, 13);
    truncateSync(join(kept, "out", "model.safetensors"), 5000);
    expect(await expectSame(model, out)).toBe(0);
    const other = newOut();
    const sharded = await stopped(model, other, 30, { maxShardSize: 100_000 });
    const [first] = readdirSync(join(sharded, "out")).filter((name) =>
      name.endsWith(".safetensors"),
    );
    truncateSync(join(sharded, "out", first as string), 5000);
    expect(await expectSame(model, other, { maxShardSize: 100_000 })).toBeGreaterThan(0);
  });

  it("of a file whose tensors were being moved is done again", async () => {
    // Texts that do not come in order: what follows them is moved at the end.
    const name = "model.layers.0.mlp.up_proj.weight.b";
    const mixed = [...tensors, opaque(name, "U8", [5])];
    const model = writeModel(join(temporaryFolder(), "model"), mixed, llamaConfig());
    const out = newOut();
    const kept = await stopped(model, out, mixed.length);
    const journal = join(kept, "quantwise.journal");
    const lines = readFileSync(journal, "utf8").split("\n");
    expect(lines.findIndex((line) => line.includes('"moving":true'))).toBeGreaterThan(0);
    expect(lines.at(-2)).toMatch(/"dataBytes":/);
    writeFileSync(journal, `${lines.slice(0, -2).join("\n")}\n`);
    const file = join(kept, "out", "model.safetensors");
    truncateSync(file, statSync(file).size + 10_000);
    const whole = newOut();
    await quantizeModel(model, whole);
    const result = await quantizeModel(model, out, { resume: true });
    expect(result.resumedTensors).toBe(0);
    expect(contentOf(out)).toEqual(contentOf(whole));
  });

  it("without a journal is nobody's", async () => {
    const model = newModel();
    const out = newOut();
    const kept = await stopped(model, out, 13);
    truncateSync(join(kept, "quantwise.journal"), 10);
    const result = await quantizeModel(model, out, { resume: true });
    expect(result.resumedTensors).toBe(0);
    expect(namesIn(dirname(out)).sort()).toEqual([basename(kept), "out"].sort());
  });
});

describe("a run with resume", () => {
  it("removes what ended before it began", async () => {
    const out = newOut();
    const orphan = partialName(out).replace(/-\d+-0\.partial$/, "-1-0.partial");
    mkdirSync(orphan);
    expect(await expectSame(newModel(), out)).toBe(0);
  });

  it("goes on where a thread has died", async () => {
    const model = newModel();
    const out = newOut();
    const post = vi.spyOn(Worker.prototype, "postMessage");
    let parts = 0;
    post.mockImplementation(function (this: Worker, ...message) {
      if (++parts === 20) void this.terminate();
      return Reflect.apply(original, this, message);
    });
    const job = quantizeModel(model, out, { threads: 2, resume: true, syncBytes: 1000 });
    const error = await errorOf(job);
    post.mockRestore();
    expect(error.message).toMatch(/a worker thread died: it ended with code 1/);
    expect(await expectSame(model, out, { threads: 2 })).toBeGreaterThan(0);
  });

  it("begins where there is nothing", async () => {
    expect(await expectSame(newModel(), newOut())).toBe(0);
  });

  it("is refused for streams", async () => {
    const model = newModel();
    const both = [
      [model, "-"],
      ["-", newOut()],
    ] as const;
    for (const [input, output] of both) {
      const error = await errorOf(quantizeModel(input, output, { resume: true }));
      expect(error).toMatchObject({ code: "ARGUMENT" });
      expect(error.message).toMatch(/with resume: a stream cannot be taken up again/);
    }
  });

  it("is refused where nobody can tell whether the model is the same", async () => {
    const bytes = readFileSync(
      join(writeModel(join(temporaryFolder(), "m"), tensors), "model.safetensors"),
    );
    const { origin } = await serve((request, response) => {
      if (request.url === "/m.safetensors") sendFile(request, response, bytes, { etag: "" });
      else response.writeHead(404).end();
    });
    const out = newOut("out.safetensors");
    const error = await errorOf(quantizeModel(`${origin}/m.safetensors`, out, { resume: true }));
    expect(error.message).toMatch(/neither an ETag nor a date/);
  });
});

it.each([false, true])(
  "a model that is written to meanwhile is noticed: resume %s",
  async (resume) => {
    const model = newModel();
    const out = newOut();
    const shard = join(model, "model-00001-of-00002.safetensors");
    let done = 0;
    const job = quantizeModel(model, out, {
      resume,
      onTensor: () => {
        if (++done === 20) utimesSync(shard, new Date(), new Date(Date.now() + 5000));
      },
    });
    const error = await errorOf(job);
    expect(error.message).toMatch(
      /model-00001-of-00002.safetensors was written to while it was read/,
    );
    expect(namesIn(dirname(out))).toHaveLength(resume ? 1 : 0);
    if (!resume) return;
    const again = await errorOf(quantizeModel(model, out, { resume }));
    expect(again.message).toMatch(/was written to since/);
  },
);

describe("the journal", () => {
  const identity: RunIdentity = {
    version: "1",
    kind: "file",
    sources: [],
    options: {},
    plan: "",
    config: "",
  };
  const units: FinishedUnit[] = [
    { index: 3, textBytes: 200, error: { relativeRms: 0.1, mse: NaN, sampledElements: 7 } },
    { index: 0, textBytes: undefined },
  ];

  it("gives back what was durable, and forgets a file whose bytes were being moved", async () => {
    const path = join(temporaryFolder(), "journal");
    const journal = await JournalFile.create(path, identity);
    for (const file of ["a", "b", "c"]) {
      for (const unit of units) journal.unitDone(file, unit);
      await journal.takeNoted(file)();
    }
    journal.unitDone("a", { index: 9 });
    await journal.moving("b");
    await journal.moving("c");
    await journal.fileDone("c", { bytes: 10, dataBytes: 5 });
    await journal.close();

    const read = await readJournal(path);
    expect(read?.identity).toEqual(identity);
    if (read === undefined) throw new Error("no journal");
    const resumed = await JournalFile.resume(path, read, async () => 10);
    expect(resumed.earlier("a")).toEqual({ units, whole: undefined, bytes: 10 });
    expect(resumed.earlier("b")).toBeUndefined();
    expect(resumed.earlier("c")).toEqual({ units, whole: { bytes: 10, dataBytes: 5 }, bytes: 10 });
    await resumed.close();
    expect((await readJournal(path))?.files.has("b")).toBe(false);
  });
});
