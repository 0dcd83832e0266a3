/** examples/vercel-edge with the packed package, in Vercel's EdgeVM, which compiles no bytes. */

import { cpSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { EdgeVM } from "@edge-runtime/vm";
import { build } from "esbuild";
import { program, root } from "../lib/project.mjs";

const TOKEN = "a secret of this test";
const sample = join(root, "examples/sample");
const FILE = "llama/model.safetensors";

async function run({ project, package: quantwise }) {
  const handler = await bundled(project);
  const files = filesOf();
  const source = await sourceServer(files);
  const kernels = new WebAssembly.Module(readFileSync(join(quantwise, "build/kernels.wasm")));
  const env = { QUANTIZE_TOKEN: TOKEN, SOURCE_URL: `${source.origin}/models/`, MAX_BYTES: "1MB" };
  const vm = new EdgeVM({
    codeGeneration: { strings: false, wasm: false },
    extend: (context) => Object.assign(context, { process: { env }, kernelsOfDeployment: kernels }),
  });
  vm.evaluate(handler);
  const { context } = vm;
  const call = (query, { token = TOKEN, ...init } = {}) =>
    context.handle(
      new context.Request(`https://example.com/api/quantize?${query}`, {
        headers: { authorization: `Bearer ${token}` },
        ...init,
      }),
    );
  const refused = async (query, status, words, init) => {
    const response = await call(query, init);
    const { error } = await response.json();
    if (response.status !== status || !error.includes(words)) {
      throw new Error(`${query}: ${response.status} ${error}, expected ${status} ${words}`);
    }
  };

  const checks = [];
  const check = async (name, body) => {
    try {
      await body();
      checks.push({ name, problem: "" });
    } catch (error) {
      checks.push({ name, problem: `${error?.stack ?? error}` });
    }
  };
  try {
    await check("it says that it is for the Edge", () => {
      if (context.config.runtime !== "edge") throw new Error("config.runtime");
    });
    for (const [query, options] of [
      ["", {}],
      ["&type=fp4&block=128", { quantType: "fp4", blockSize: 128 }],
    ]) {
      await check(`Node's bytes: ${query === "" ? "nf4" : query}`, async () => {
        const response = await call(`file=${FILE}${query}`);
        if (response.status !== 200) throw new Error(await response.text());
        const found = Buffer.from(await response.arrayBuffer());
        if (!found.equals(await ofNode(quantwise, options))) throw new Error("other bytes");
        const ran = response.headers.get("x-quantwise-kernels");
        if (ran !== "wasm") throw new Error(`kernels: ${ran}`);
      });
    }
    await check("nobody else is served", async () => {
      await refused(`file=${FILE}`, 401, "token", { token: "" });
      await refused(`file=${FILE}`, 401, "token", { token: `${TOKEN} x` });
      await refused(`file=${FILE}`, 405, "GET", { method: "POST" });
      env.QUANTIZE_TOKEN = "";
      await refused(`file=${FILE}`, 401, "token", { token: "" });
      env.QUANTIZE_TOKEN = TOKEN;
    });
    await check("nothing else is fetched", async () => {
      const before = source.paths.length;
      for (const file of [
        "",
        "../secret.safetensors",
        "..%252fsecret.safetensors",
        "/secret.safetensors",
        "https://example.com/x.safetensors",
        "//example.com/x.safetensors",
        "llama/config.json",
      ]) {
        await refused(`file=${file}`, 400, "file:");
      }
      if (source.paths.length !== before) throw new Error(source.paths.slice(before).join());
    });
    await check("what is wrong is told with a status", async () => {
      await refused(`file=${FILE}&type=nf5`, 400, "quantType");
      await refused(`file=${FILE}&block=63`, 400, "blockSize");
      await refused("file=none.safetensors", 404, "no such file");
      await refused("file=broken.safetensors", 422, "broken.safetensors");
      await refused("file=failing.safetensors", 502, "503");
      await refused("file=large.safetensors", 413, "1000000 bytes");
    });
    await check("what is wrong with the deployment is not the request's fault", async () => {
      const { SOURCE_URL } = env;
      env.SOURCE_URL = "http://127.0.0.1:1/";
      await refused(`file=${FILE}`, 502, "cannot be reached");
      env.SOURCE_URL = "models";
      await refused(`file=${FILE}`, 500, "SOURCE_URL must be");
      Object.assign(env, { SOURCE_URL, MAX_BYTES: "much" });
      await refused(`file=${FILE}`, 500, "MAX_BYTES");
      env.MAX_BYTES = "1MB";
    });
    await check("a size that is not announced is counted, and the connection cut", async () => {
      const response = await call("file=endless.safetensors");
      if (response.status !== 200) throw new Error(await response.text());
      const error = await response.arrayBuffer().then(
        () => undefined,
        (reason) => reason,
      );
      if (!`${error?.message}`.includes("more than 1000000 bytes")) throw new Error(`${error}`);
      await source.isLeft("/models/endless.safetensors");
    });
    await check("a reader that leaves ends the fetch", async () => {
      env.MAX_BYTES = "1GB";
      const response = await call("file=endless.safetensors");
      const reader = response.body.getReader();
      await reader.read();
      await reader.cancel();
      await source.isLeft("/models/endless.safetensors");
    });
  } finally {
    source.close();
  }
  const problems = checks.filter(({ problem }) => problem !== "");
  return {
    kernels: { name: "wasm", simd: "baseline", reason: "the deployment's module" },
    passed: checks.length - problems.length,
    problems: problems.map(({ name, problem }) => `${name}: ${problem}`),
  };
}

/** As Vercel's build would: one script, with kernels.wasm?module compiled beside it. */
async function bundled(project) {
  const folder = join(project, "example-vercel");
  cpSync(join(root, "examples/vercel-edge"), folder, { recursive: true });
  const { outputFiles } = await build({
    stdin: {
      contents:
        'import handler, { config } from "./api/quantize.js"; Object.assign(globalThis, { handle: handler, config });',
      resolveDir: folder,
    },
    bundle: true,
    write: false,
    format: "iife",
    platform: "neutral",
    conditions: ["edge-light"],
    plugins: [
      {
        name: "wasm?module",
        setup(plugin) {
          const namespace = "deployment";
          plugin.onResolve({ filter: /\/kernels\.wasm\?module$/ }, ({ path }) => ({
            path,
            namespace,
          }));
          plugin.onLoad({ filter: /./, namespace }, () => ({
            contents: "export default globalThis.kernelsOfDeployment;",
          }));
        },
      },
    ],
  });
  return outputFiles[0].text;
}

async function ofNode(quantwise, options) {
  const door = pathToFileURL(join(quantwise, "build/js/checkpoint.js"));
  const { identityOf, parseModelConfig, QuantizeSafetensorsStream } = await import(door);
  const config = parseModelConfig(readFileSync(join(sample, "config.json")), "config.json");
  const stream = new QuantizeSafetensorsStream({ ...options, model: identityOf(config) });
  const file = new Blob([readFileSync(join(sample, "model.safetensors"))]);
  return Buffer.from(await new Response(file.stream().pipeThrough(stream)).arrayBuffer());
}

function filesOf() {
  return {
    "/models/llama/model.safetensors": readFileSync(join(sample, "model.safetensors")),
    "/models/llama/config.json": readFileSync(join(sample, "config.json")),
    "/models/broken.safetensors": Buffer.from("this is no checkpoint"),
    "/models/large.safetensors": Buffer.alloc(1_000_001),
    "/secret.safetensors": Buffer.from("secret"),
  };
}

/** A linear layer of 1 GiB that never ends. */
function endless(response) {
  const entry = { dtype: "BF16", shape: [1 << 15, 1 << 14], data_offsets: [0, 1 << 30] };
  const text = JSON.stringify({ "model.layers.0.mlp.up_proj.weight": entry }).padEnd(128);
  const length = Buffer.alloc(8);
  length.writeUInt32LE(text.length);
  response.write(Buffer.concat([length, Buffer.from(text)]));
  const chunk = Buffer.alloc(1 << 16);
  const more = () => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on("drain", more);
  more();
}

async function sourceServer(files) {
  const paths = [];
  const left = new Map();
  const server = createServer(({ url }, response) => {
    paths.push(url);
    left.set(
      url,
      new Promise((resolve) => {
        response.on("close", resolve);
      }),
    );
    if (url === "/models/endless.safetensors") return endless(response.writeHead(200));
    if (url === "/models/failing.safetensors") return response.writeHead(503).end();
    const bytes = files[url];
    if (bytes === undefined) return response.writeHead(404).end();
    return response.writeHead(200, { "content-length": bytes.length }).end(bytes);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    paths,
    /** Resolves when the last response of that path is over. */
    isLeft: (path) =>
      Promise.race([
        left.get(path),
        new Promise((_, reject) => {
          setTimeout(() => reject(new Error(`${path} is still being fetched`)), 5000);
        }),
      ]),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

const version = () =>
  JSON.parse(readFileSync(program("@edge-runtime/vm/package.json"), "utf8")).version;

export const examplesVercel = [{ name: "examples/vercel-edge", version, run }];
