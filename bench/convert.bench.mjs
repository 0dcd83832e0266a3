// The whole command on a large checkpoint: time against `cp` of the same file, and peak memory of the
// process. `npm run bench:convert [GB] [directory]`; needs twice the size on that disk.
//
// Runs alternate (ours, cp, ours, cp …) so that the machine's mood hits both; medians and spreads.

import { spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { makeModel, makeWideModel } from "./lib/make-model.mjs";

const [gigabytes = "3", parent = tmpdir()] = process.argv.slice(2);
const RUNS = 5;
const folder = join(parent, `quantwise-bench-${process.pid}`);
const cli = new URL("../build/js/cli.js", import.meta.url).pathname;
const matrices = Math.max(1, Math.round((Number(gigabytes) * 1e9) / (8192 * 8192 * 2)));

try {
  const { bytes, path } = makeModel(join(folder, "model"), { matrices, rows: 8192, columns: 8192 });
  const output = join(folder, "out");
  const flags = ["--overwrite", "--quiet", "--json"];
  const jobs = {
    "quantwise, nf4 double quantized": () => ours(flags),
    "quantwise, nf4 double quantized, one thread": () => ours([...flags, "--threads", "1"]),
    "quantwise, nf4": () => ours([...flags, "--no-double-quant"]),
    "quantwise, llm-int8": () => ours([...flags, "--quant-type", "llm-int8"]),
    "quantwise, nf4, to standard output": () => toStdout(),
    "cp of the same file": () => timed("cp", [path, join(folder, "copy")]),
    "cat to /dev/null": () => timed("sh", ["-c", `cat ${path} > /dev/null`]),
    "cold: quantwise, nf4 double quantized": () => cold(() => ours(flags)),
    "cold: cp of the same file": () => cold(() => timed("cp", [path, join(folder, "copy")])),
  };
  const results = new Map(Object.keys(jobs).map((name) => [name, []]));
  for (let run = -1; run < RUNS; run++) {
    for (const [name, job] of Object.entries(jobs)) {
      const result = job();
      if (run >= 0) results.get(name).push(result); // the first round warms the page cache
      rmSync(output, { recursive: true, force: true });
      rmSync(join(folder, "copy"), { force: true });
    }
  }

  function ours(extra) {
    return timed(process.execPath, [
      cli,
      "quantize",
      join(folder, "model"),
      "-o",
      output,
      ...extra,
    ]);
  }
  /** The file's pages leave the cache, and come back for the next job. */
  function cold(job) {
    timed("dd", [`if=${path}`, "iflag=nocache", "count=0"]);
    const result = job();
    timed("sh", ["-c", `cat ${path} > /dev/null`]);
    return result;
  }
  function toStdout() {
    const command = `"$0" "$1" quantize "$2" -o - --quiet > "$3"`;
    return timed("sh", ["-c", command, process.execPath, cli, path, join(folder, "copy")]);
  }
  const text = report(bytes, results) + headerReport();
  process.stdout.write(text);
  writeFileSync(new URL("results-convert.md", import.meta.url), text);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Peak memory where the header is what is large. */
function headerReport() {
  const cases = [
    { tensors: 80_000, size: 64, flags: [], what: "copied" },
    { tensors: 80_000, size: 64, flags: ["--include", "**"], what: "all quantized" },
    { tensors: 1_300_000, size: 2, flags: [], what: "copied, three shards" },
  ];
  const rows = cases.map(({ tensors, size, flags, what }) => {
    const model = join(folder, "wide");
    const headerBytes = makeWideModel(model, { tensors, size });
    const words = [cli, "quantize", model, "-o", join(folder, "out"), "--quiet", ...flags];
    const { seconds, megabytes } = timed(process.execPath, words);
    rmSync(model, { recursive: true });
    rmSync(join(folder, "out"), { recursive: true });
    const header = (headerBytes / 1e6).toFixed(1);
    const allowed = headerBytes > 10e6 ? 256 + (4 * headerBytes) / 1e6 : 256;
    const cells = [tensors, header, what, seconds.toFixed(1), megabytes.toFixed(0)];
    return `| ${cells.join(" | ")} | ${allowed.toFixed(0)} |`;
  });
  return `
## Large headers

Many small experts; the limit is 256 MB, and above a header of 10 MB four times the header on top.

| tensors | header, MB | | seconds | peak memory, MB | limit, MB |
|---|---|---|---|---|---|
${rows.join("\n")}
`;
}

/** Seconds, and peak resident megabytes of the command, from the system's own accounting. */
function timed(command, args) {
  const started = performance.now();
  const { status, stderr } = spawnSync("/usr/bin/time", ["-f", "%M", command, ...args], {
    encoding: "utf8",
    stdio: ["ignore", "ignore", "pipe"],
  });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed:\n${stderr}`);
  const seconds = (performance.now() - started) / 1000;
  return { seconds, megabytes: Number(stderr.trim().split("\n").at(-1)) / 1024 };
}

function report(bytes, results) {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  const rows = [...results].map(([name, runs]) => {
    const seconds = runs.map((run) => run.seconds);
    const base = `${name.startsWith("cold: ") ? "cold: " : ""}cp of the same file`;
    const copy = median(results.get(base).map((run) => run.seconds));
    const middle = median(seconds);
    const spread = `${Math.min(...seconds).toFixed(2)}–${Math.max(...seconds).toFixed(2)}`;
    const memory = Math.max(...runs.map((run) => run.megabytes)).toFixed(0);
    const rate = (bytes / 1e9 / middle).toFixed(2);
    return `| ${name} | ${middle.toFixed(2)} | ${spread} | ${rate} | ${(middle / copy).toFixed(2)} | ${memory} |`;
  });
  return `# The whole command

Made by \`npm run bench:convert\`: quantwise ${version}, Node ${process.version}, ${cpus().length} cores of ${cpus()[0].model.trim()},
${new Date().toISOString().slice(0, 10)}. A checkpoint of ${matrices} bf16 matrices of 8192×8192 (${(bytes / 1e9).toFixed(2)} GB), warm page cache
(cold: without the file in it), medians of ${RUNS} interleaved runs. Ours sync their output to the disk before they end; cp does not.

| command | seconds | spread | GB/s of input | against cp | peak memory, MB |
|---|---|---|---|---|---|
${rows.join("\n")}
`;
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
