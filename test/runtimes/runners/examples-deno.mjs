/** examples/deno with the packed package: no more permissions than its README gives it. */

import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { execute, must } from "../lib/processes.mjs";
import { node, program, root } from "../lib/project.mjs";
import { versionOf } from "../lib/rows.mjs";
import { sha256 } from "../sha256.mjs";

const deno = program(".bin/deno");
const { version } = JSON.parse(readFileSync(join(root, "jsr.json"), "utf8"));
const SHARDS = { maxShardSize: 60_000 };

async function run({ project, package: quantwise }) {
  const folder = join(project, "example-deno");
  cpSync(join(root, "examples/deno"), folder, { recursive: true });
  const imports = { "quantwise/node": `npm:quantwise@^${version}/node` };
  const settings = { imports, lock: false, nodeModulesDir: "manual" };
  writeFileSync(join(folder, "deno.json"), JSON.stringify(settings));
  const dependencies = { quantwise: `^${version}` };
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", dependencies }));
  cpSync(quantwise, join(folder, "node_modules/quantwise"), { recursive: true });
  const models = join(folder, "models");
  mkdirSync(models);

  // A model in shards, of this machine's own server; and what Node makes of it.
  const source = join(project, "sharded");
  const script = join(folder, "of-node.mjs");
  writeFileSync(script, OF_NODE);
  await must(node(20), [script, join(root, "examples/sample"), source, JSON.stringify(SHARDS)]);
  const server = await folderServer(join(source, "float"));
  const origin = `127.0.0.1:${server.address().port}`;
  const call = (url, output) =>
    execute(
      deno,
      [
        "run",
        "--no-prompt",
        `--allow-net=${origin}`,
        "--allow-read=models",
        "--allow-write=models",
        "quantize-url.ts",
        url,
        output,
      ],
      { cwd: folder, env: { NO_COLOR: "1", HF_TOKEN: "secret" } },
    );
  const checks = [];
  const check = async (name, body) => {
    try {
      await body();
      checks.push({ name, problem: "" });
    } catch (error) {
      checks.push({ name, problem: error.message });
    }
  };
  try {
    await check("its types fit", async () => {
      await must(deno, ["check", "quantize-url.ts"], { cwd: folder, env: { NO_COLOR: "1" } });
    });
    await check("a sharded model from its address is Node's from the disk", async () => {
      const { code, stdout, stderr } = await call(`http://${origin}/`, "models/out");
      if (code !== 0) throw new Error(stderr);
      if (!/^0.2 MB -> 0.1 MB in [\d.]+ s\ntensors: .*nf4.*; kernels: wasm$/m.test(stdout)) {
        throw new Error(`it says: ${stdout}`);
      }
      same(hashes(join(models, "out")), hashes(join(source, "nf4")));
      same(readdirSync(models), ["out"]);
    });
    await check("what it may not reach is told, and leaves nothing", async () => {
      for (const url of ["https://127.0.0.2/", "hf:org/name", `http://${origin}/no/`]) {
        const { code, stderr } = await call(url, "models/none");
        same(code, 1);
        if (!stderr.includes("quantize-url.ts: ")) throw new Error(stderr);
      }
      const elsewhere = await call(`http://${origin}/`, "elsewhere");
      same(elsewhere.code, 1);
      same(readdirSync(models), ["out"]);
    });
  } finally {
    server.close();
    server.closeAllConnections();
  }
  const problems = checks.filter(({ problem }) => problem !== "");
  return {
    kernels: { name: "wasm", simd: "as said", reason: "" },
    passed: checks.length - problems.length,
    problems: problems.map(({ name, problem }) => `${name}: ${problem}`),
  };
}

/** Shards of floats, from the sample, and their quantized form. */
const OF_NODE = `
import { cpSync } from "node:fs";
import { quantizeModel } from "quantwise/node";
const [sample, out, shards] = process.argv.slice(2);
const float = { ...JSON.parse(shards), exclude: ["**"] };
await quantizeModel(sample, \`\${out}/float\`, float);
cpSync(\`\${sample}/config.json\`, \`\${out}/float/config.json\`);
await quantizeModel(\`\${out}/float\`, \`\${out}/nf4\`);
`;

/** Files by name, with ranges. */
async function folderServer(folder) {
  const server = createServer(({ url, headers }, response) => {
    let bytes;
    try {
      bytes = readFileSync(join(folder, new URL(url, "http://x").pathname.replaceAll("..", "")));
    } catch {
      response.writeHead(404).end();
      return;
    }
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? "") ?? [];
    const tag = { etag: `"${sha256(bytes)}"`, "accept-ranges": "bytes" };
    if (from === undefined) {
      response.writeHead(200, { ...tag, "content-length": bytes.length }).end(bytes);
      return;
    }
    const end = Math.min(bytes.length, to === "" ? bytes.length : Number(to) + 1);
    const range = `bytes ${from}-${end - 1}/${bytes.length}`;
    response.writeHead(206, { ...tag, "content-range": range });
    response.end(bytes.subarray(Number(from), end));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

function hashes(folder) {
  return Object.fromEntries(
    readdirSync(folder).map((name) => [name, sha256(readFileSync(join(folder, name)))]),
  );
}

function same(found, expected) {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${a}, expected ${b}`);
}

export const examplesDeno = [{ name: "examples/deno", version: () => versionOf(deno), run }];
