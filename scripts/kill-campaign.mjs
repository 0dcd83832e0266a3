// Kills conversions at random moments, resumes them until they are through, and compares every byte
// with an uninterrupted run:
//
//   npm run campaign -- 200
//
// Arguments: kills, megabytes of the model (200), seed (1).

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const cli = fileURLToPath(new URL("../build/js/cli.js", import.meta.url));

const JOBS = [
  ["out"],
  ["out", "--max-shard-size", "9MB"],
  ["out", "--quant-type", "fp4", "--max-shard-size", "20MB", "--block-size", "128"],
  ["out", "--quant-type", "llm-int8", "--max-shard-size", "30MB"],
  ["out", "--quant-type", "int4", "--format", "compressed-tensors", "--max-shard-size", "11MB"],
  ["out", "--quant-type", "nvfp4", "--max-shard-size", "1GB"],
  ["out.safetensors"],
  ["out.safetensors", "--quant-type", "int8", "--rule", "**.mlp.**=nf4"],
];

/**
 * @param log takes a line
 * @returns how often which fault was injected, and what came of it
 */
export async function campaign({ kills, megabytes, seed, log = () => {} }) {
  const random = randomFrom(seed);
  const pick = (list) => list[Math.floor(random() * list.length)];
  const root = mkdtempSync(join(tmpdir(), "quantwise-kills-"));
  const model = join(root, "model");
  const disk = smallDisk(join(root, "disk"));
  const counts = {
    jobs: 0,
    SIGKILL: 0,
    SIGINT: 0,
    "full disk": 0,
    "file limit": 0,
    afterwards: 0,
    resumedTensors: 0,
  };
  const faults = () => counts.SIGKILL + counts.SIGINT + counts["full disk"] + counts["file limit"];
  const references = new Map();
  try {
    writeModel(model, megabytes, random);
    while (faults() < kills) {
      const job = pick(JOBS);
      const key = job.join(" ");
      if (!references.has(key)) references.set(key, await reference(model, job, root));
      const { hashes, milliseconds } = references.get(key);
      const isOnDisk = disk !== undefined && random() < 0.15;
      const folder = isOnDisk ? disk.path : join(root, `job-${counts.jobs}`);
      if (!isOnDisk) mkdirSync(folder);
      let isNamed = false;
      for (;;) {
        const args = [
          ...["quantize", model, "-o", join(folder, job[0]), ...job.slice(1), "--resume", "--json"],
          ...[
            "--quiet",
            "--threads",
            pick(["1", "2"]),
            "--sync-bytes",
            pick(["256KiB", "1MiB", "8MiB", "64MiB"]),
          ],
        ];
        const isLast = faults() >= kills;
        const fault = isLast ? "none" : faultOf(random, isOnDisk);
        if (isOnDisk)
          disk.resize(fault === "full disk" ? 1 + random() * megabytes * 0.3 : megabytes * 3);
        // Some in the first moments, most while it writes.
        const when = { folder, isEarly: random() < 0.2, part: random(), milliseconds };
        const limit = Math.ceil(1000 + random() * megabytes * 300);
        const ended = await run(args, fault, when, limit);
        if (ended.code === 0) {
          counts.resumedTensors += JSON.parse(ended.stdout).resumedTensors;
          break;
        }
        expectFault(fault, ended, args);
        counts[fault]++;
        // Killed when the output had its name: it is whole.
        if (readdirSync(folder).includes(job[0])) {
          counts.afterwards++;
          isNamed = true;
          break;
        }
      }
      const found = hashesOf(folder, job[0]);
      if (JSON.stringify(found) !== JSON.stringify(hashes)) {
        throw new Error(
          `other bytes than without faults: ${key}\n${JSON.stringify([found, hashes])}`,
        );
      }
      const rest = readdirSync(folder).filter((name) => name !== job[0]);
      if (rest.length > 0 && !isNamed) throw new Error(`left behind: ${rest}`);
      counts.jobs++;
      emptyFolder(folder);
      log(`${faults()} faults, ${counts.jobs} outputs equal`);
    }
    return counts;
  } finally {
    disk?.remove();
    rmSync(root, { recursive: true, force: true });
  }
}

function faultOf(random, isOnDisk) {
  const dice = random();
  if (dice < 0.7) return "SIGKILL";
  if (dice < 0.85) return "SIGINT";
  return isOnDisk ? "full disk" : "file limit";
}

/** A fault that comes too late, or not at all, lets the run succeed; any other end is a bug. */
function expectFault(fault, { code, signal, stderr }, args) {
  const isExpected =
    (fault === "SIGKILL" && signal === "SIGKILL") ||
    (fault === "SIGINT" && (code === 130 || signal === "SIGINT")) ||
    (fault === "full disk" && code === 1 && /the disk is full/.test(stderr)) ||
    (fault === "file limit" && code === 1 && /cannot write/.test(stderr));
  if (!isExpected)
    throw new Error(`${fault}: ended with ${code ?? signal}: ${stderr}\n${args.join(" ")}`);
}

function run(args, fault, when, limitBlocks) {
  return new Promise((done, failed) => {
    const limited = [
      "-c",
      `ulimit -f ${limitBlocks}; exec "$0" "$@"`,
      process.execPath,
      cli,
      ...args,
    ];
    const child =
      fault === "file limit" ? spawn("bash", limited) : spawn(process.execPath, [cli, ...args]);
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk) => (stdout += chunk));
    child.stderr.on("data", (chunk) => (stderr += chunk));
    child.on("error", failed);
    const stop = fault.startsWith("SIG") ? killLater(child, fault, when) : () => {};
    child.on("close", (code, signal) => {
      stop();
      done({ code, signal, stdout, stderr });
    });
  });
}

/** Kills a run before long: some time after its start, or after its folder is there. */
function killLater(child, signal, { folder, isEarly, part, milliseconds }) {
  let timer;
  const kill = () => child.kill(signal);
  const wait = () => {
    const isWriting = readdirSync(folder).some((name) => name.includes(`.${child.pid}-`));
    timer = isWriting ? setTimeout(kill, part * milliseconds * 0.8) : setTimeout(wait, 2);
  };
  if (isEarly) timer = setTimeout(kill, part * milliseconds);
  else wait();
  return () => clearTimeout(timer);
}

/** The hashes of an uninterrupted run, and how long it took. */
async function reference(model, job, root) {
  const folder = join(root, "reference");
  mkdirSync(folder);
  const started = performance.now();
  const args = [
    "quantize",
    model,
    "-o",
    join(folder, job[0]),
    ...job.slice(1),
    "--quiet",
    "--threads",
    "1",
  ];
  const { code, stderr } = await run(args, "none");
  if (code !== 0) throw new Error(stderr);
  const milliseconds = performance.now() - started;
  const hashes = hashesOf(folder, job[0]);
  rmSync(folder, { recursive: true });
  return { hashes, milliseconds };
}

function hashesOf(folder, name) {
  const hash = (path) => createHash("sha256").update(readFileSync(path)).digest("hex");
  if (name.endsWith(".safetensors")) return [[name, hash(join(folder, name))]];
  return readdirSync(join(folder, name))
    .sort()
    .map((file) => [file, hash(join(folder, name, file))]);
}

function emptyFolder(folder) {
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
}

/** A file system of its own, where one may mount it. */
function smallDisk(path) {
  mkdirSync(path);
  if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=10m", "tmpfs", path]).status !== 0)
    return undefined;
  return {
    path,
    resize(megabytes) {
      // It cannot become smaller than what is on it.
      const used = Number(execFileSync("du", ["-sk", path]).toString().split("\t")[0]);
      const kilobytes = Math.ceil(Math.max(megabytes * 1000, used + 64));
      execFileSync("mount", ["-o", `remount,size=${kilobytes}k`, path]);
    },
    remove: () => spawnSync("umount", [path]),
  };
}

/** A llama-like model in three files, of weights that are not alike. */
function writeModel(folder, megabytes, random) {
  mkdirSync(folder);
  const layers = 12;
  const hidden = 64 * Math.round(Math.sqrt((megabytes * 1e6) / 2 / layers / 13) / 64) || 64;
  const noise = new Uint16Array(1 << 20);
  for (let i = 0; i < noise.length; i++) {
    const float = new Float32Array([(random() + random() + random() - 1.5) * 0.05]);
    noise[i] = new Uint32Array(float.buffer)[0] >>> 16;
  }
  const tensors = [
    ["model.embed_tokens.weight", [256, hidden]],
    ["model.norm.weight", [hidden]],
  ];
  for (let layer = 0; layer < layers; layer++) {
    const name = `model.layers.${layer}`;
    for (const part of ["q", "k", "v", "o"]) {
      tensors.push([`${name}.self_attn.${part}_proj.weight`, [hidden, hidden]]);
    }
    for (const part of ["gate", "up"])
      tensors.push([`${name}.mlp.${part}_proj.weight`, [3 * hidden, hidden]]);
    tensors.push([`${name}.mlp.down_proj.weight`, [hidden, 3 * hidden]]);
    tensors.push([`${name}.input_layernorm.weight`, [hidden]]);
  }
  const files = 3;
  const weightMap = {};
  for (let file = 0; file < files; file++) {
    const name = `model-0000${file + 1}-of-0000${files}.safetensors`;
    const own = tensors.filter((_, i) => i % files === file);
    for (const [tensor] of own) weightMap[tensor] = name;
    writeSafetensors(join(folder, name), own, noise, random);
  }
  writeFileSync(
    join(folder, "model.safetensors.index.json"),
    JSON.stringify({ metadata: {}, weight_map: weightMap }),
  );
  writeFileSync(
    join(folder, "config.json"),
    JSON.stringify({ model_type: "llama", torch_dtype: "bfloat16" }),
  );
  writeFileSync(join(folder, "tokenizer.json"), "{}");
}

function writeSafetensors(path, tensors, noise, random) {
  let offset = 0;
  const header = {};
  for (const [name, shape] of tensors) {
    const end = offset + 2 * shape.reduce((product, extent) => product * extent, 1);
    header[name] = { dtype: "BF16", shape, data_offsets: [offset, end] };
    offset = end;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.byteLength));
  const file = openSync(path, "wx");
  writeSync(file, Buffer.concat([length, text]));
  for (const {
    data_offsets: [begin, end],
  } of Object.values(header)) {
    for (let left = (end - begin) / 2; left > 0; ) {
      const start = Math.floor(random() * noise.length * 0.9);
      const some = noise.subarray(start, start + left);
      writeSync(file, some);
      left -= some.length;
    }
  }
  closeSync(file);
}

/** Repeatable random numbers in [0, 1). */
function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [kills = 200, megabytes = 200, seed = 1] = process.argv.slice(2).map(Number);
  const started = performance.now();
  const counts = await campaign({ kills, megabytes, seed, log: console.log });
  console.log(
    JSON.stringify({ ...counts, seconds: Math.round((performance.now() - started) / 1000) }),
  );
}
