/** Runtimes with a command line: Node, Deno, Bun; also without SIMD and without WebAssembly. */

import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { INTERPRETED, ofNode, REFERENCE, RELAXED } from "../lib/expected.mjs";
import { execute, must } from "../lib/processes.mjs";
import { node, program, root } from "../lib/project.mjs";
import { failedRow, rowOf, rowOfProgram, versionOf } from "../lib/rows.mjs";

const deno = program(".bin/deno");
const bun = program(".bin/bun");
const CHECKPOINT = join(root, "test/vectors/checkpoints/llama_tiny_bf16/model.safetensors");

/** The suite, or another entry, as a program. */
function suite(name, command, flags, expected = RELAXED, env = {}, script = "cli.mjs") {
  return {
    name,
    version: () => versionOf(command),
    run: ({ suite: folder }) =>
      rowOfProgram(command, [...flags, join(folder, script), JSON.stringify(expected)], {
        cwd: folder,
        env,
      }),
  };
}

/** The door `threads`. */
const threads = (name, command, flags) =>
  suite(`${name} threads`, command, flags, { hasSharedMemory: true }, {}, "threads-cli.mjs");

/** The door `node`: its bytes equal those of Node 20. */
function files(name, command, flags, required = "") {
  return {
    name,
    version: () => versionOf(command),
    run: async ({ suite: folder, shared, project }) => {
      const script = join(folder, "files.mjs");
      const call = (program_, programFlags, sha) =>
        rowOfProgram(
          program_,
          [
            ...programFlags,
            script,
            CHECKPOINT,
            join(project, `${name}.safetensors`),
            sha,
            required,
          ],
          { cwd: folder },
        );
      shared.sha ??= await shaOfNode20(script, project);
      return call(command, flags, shared.sha);
    },
  };
}

/** `quantwise doctor`, where the command is to run: it is made for Node. */
function doctor(name, command, flags, { simd }) {
  return {
    name,
    version: () => versionOf(command),
    run: async ({ package: quantwise, project }) => {
      const args = [...flags, join(quantwise, "build/js/cli.js"), "doctor", "--json"];
      const { code, stdout, stderr } = await execute(command, args, { cwd: project });
      if (code !== 0) return failedRow(`exit code ${code}: ${stderr.trim().slice(-1000)}`);
      const { kernels, builds, quantize, threads } = JSON.parse(stdout);
      const check = (what, isRight, reason) => ({ name: what, problem: isRight ? "" : reason });
      const checks = [
        check("doctor: kernels", kernels.simd === simd, kernels.reason),
        check(
          "doctor: relaxed",
          builds.relaxed.works === (simd === "relaxed"),
          builds.relaxed.reason,
        ),
        check("doctor: baseline", builds.baseline.works, builds.baseline.reason),
        check("doctor: quantizing", quantize.works, quantize.reason),
        check("doctor: a thread", threads.works, threads.reason),
      ];
      return rowOf({ kernels, checks });
    },
  };
}

/** The repository's tests of the kernels where relaxed SIMD runs: `npm test` may be Node 20's. */
const relaxedKernels = {
  name: "node 26, tests of the kernels",
  version: () => versionOf(node(26)),
  run: async ({ folder }) => {
    const report = join(folder, "kernels.json");
    const vitest = join(root, "node_modules/vitest/vitest.mjs");
    const tests = ["test/kernels", "test/linear", "test/assembly/linear.test.ts"];
    const args = ["run", ...tests, "--reporter=json", `--outputFile=${report}`];
    const options = { cwd: root, seconds: 300 };
    const { code, stderr } = await execute(node(26), [vitest, ...args, ...SLOW], options);
    const { testResults } = JSON.parse(readFileSync(report, "utf8"));
    const results = testResults.flatMap(({ assertionResults }) => assertionResults);
    const passed = results.filter(({ status }) => status === "passed");
    const failed = results.filter(({ status }) => status === "failed");
    const problems = failed.map(({ fullName }) => fullName);
    for (const build of ["wasm relaxed", "linear-relaxed.wasm"]) {
      if (!passed.some(({ fullName }) => fullName.includes(build))) {
        problems.push(`no test of the relaxed build: ${build}`);
      }
    }
    if (code !== 0 && problems.length === 0) problems.push(`exit code ${code}: ${stderr}`);
    return {
      kernels: { name: "wasm", simd: "relaxed", reason: "" },
      passed: passed.length,
      problems,
    };
  },
};

/** Other suites may run beside this one. */
const SLOW = ["--testTimeout", "120000", "--hookTimeout", "120000"];

async function shaOfNode20(script, project) {
  const output = join(project, "of-node-20.safetensors");
  const { stdout } = await execute(node(20), [script, CHECKPOINT, output, "?", ""]);
  return /"sha":"([0-9a-f]{64})"/.exec(stdout)?.[1] ?? "no answer of Node 20";
}

/** Deno's own ways to say where a package comes from, without permissions. */
function denoScript(name, specifierOf, prepare) {
  return {
    name,
    version: () => versionOf(deno),
    run: async (context) => {
      const folder = await prepare(context);
      const doors = ["core", "checkpoint", "gguf", "linear", "safetensors", "schemes"];
      const text = [
        ...doors.map((door) => {
          const path = door === "core" ? "" : `/${door}`;
          return `import * as ${door} from "${specifierOf(path)}";`;
        }),
        'import answers from "./answers.mjs";',
        'import { run } from "./suite.mjs";',
        `const result = await run({ ${doors} }, answers, JSON.parse(Deno.args[0]));`,
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the program's
        "console.log(`QUANTWISE RESULT ${JSON.stringify(result)}`);",
      ].join("\n");
      const script = join(folder, "deno.mjs");
      writeFileSync(script, text);
      const args = ["run", "--no-prompt", script, JSON.stringify(RELAXED)];
      return rowOfProgram(deno, args, { cwd: folder });
    },
  };
}

const { version, name: jsrName } = JSON.parse(readFileSync(join(root, "jsr.json"), "utf8"));

const denoNpm = denoScript(
  "deno npm:",
  (path) => `npm:quantwise@^${version}${path}`,
  ({ suite: folder }) => folder,
);

/** JSR gets sources. The files that `deno publish` would send, linked as if they were published. */
const denoJsr = denoScript("deno jsr:", (path) => `jsr:${jsrName}@^${version}${path}`, linkedJsr);

const denoJsrThreads = {
  name: "deno jsr: threads",
  version: () => versionOf(deno),
  run: async (context) => {
    const user = await linkedJsr(context);
    const specifier = (door) => `"jsr:${jsrName}@^${version}${door}"`;
    const text = readFileSync(join(user, "jsr-threads.mjs"), "utf8");
    const script = join(user, "jsr-threads-linked.mjs");
    writeFileSync(
      script,
      text.replace(/"quantwise(\/\w+)?"/g, (_, door = "") => specifier(door)),
    );
    const output = join(context.project, "jsr-threads");
    return rowOfProgram(deno, ["run", "--no-prompt", "-A", script, CHECKPOINT, output]);
  },
};

/** A folder of the suite where `jsr:` leads to what would be published. */
async function linkedJsr({ folder, suite: from, shared }) {
  if (shared.jsr !== undefined) return shared.jsr;
  const files = await publishedToJsr();
  const published = join(folder, "jsr/published");
  for (const file of files) cpSync(join(root, file), join(published, file));
  // Links are looked for by Deno's own name of the manifest.
  cpSync(join(root, "jsr.json"), join(published, "deno.json"));
  const user = join(folder, "jsr/user");
  cpSync(from, user, { recursive: true });
  writeFileSync(join(user, "deno.json"), JSON.stringify({ links: ["../published"] }));
  shared.jsr = user;
  return user;
}

async function publishedToJsr() {
  const args = ["publish", "--dry-run", "--allow-dirty", "--config", "jsr.json"];
  const { stderr } = await must(deno, args, { cwd: root, env: { NO_COLOR: "1" } });
  const base = pathToFileURL(root).href;
  return [...stderr.matchAll(/^ +(file:\S+) \(/gm)].map(([, url]) => url.slice(base.length));
}

export const commands = [
  ...[20, 22, 24, 26].map((major) => suite(`node ${major}`, node(major), [], ofNode(major))),
  ...[20, 22, 24, 26].map((major) =>
    files(`node ${major} files`, node(major), [], major === 20 ? "" : "require"),
  ),
  ...[20, 22, 24, 26].map((major) =>
    doctor(`node ${major} doctor`, node(major), [], ofNode(major)),
  ),
  ...[20, 22, 24, 26].map((major) => threads(`node ${major}`, node(major), [])),
  // A worker's module is read: that alone is asked for.
  threads("deno", deno, ["run", "--no-prompt", "--allow-read"]),
  threads("bun", bun, ["run"]),
  doctor("deno doctor", deno, ["run", "--no-prompt", "-A"], RELAXED),
  doctor("bun doctor", bun, ["run"], RELAXED),
  relaxedKernels,
  suite("node 20 without WebAssembly", node(20), ["--jitless"], INTERPRETED),
  suite("node 26 without WebAssembly", node(26), ["--jitless"], INTERPRETED),
  suite("node 20 without SIMD", node(20), ["--no-enable-sse4-1"], REFERENCE),
  suite("node 26 without SIMD", node(26), ["--no-enable-sse4-1"], REFERENCE),
  suite("deno", deno, ["run", "--no-prompt"]),
  denoNpm,
  denoJsr,
  denoJsrThreads,
  files("deno files", deno, ["run", "--no-prompt", "-A"], "require"),
  suite(
    "deno without WebAssembly",
    deno,
    ["run", "--no-prompt", "--v8-flags=--jitless"],
    INTERPRETED,
  ),
  suite("bun", bun, ["run"]),
  files("bun files", bun, ["run"], "require"),
  suite("bun without WebAssembly", bun, ["run"], REFERENCE, { BUN_JSC_useWasm: "0" }),
  suite("bun without SIMD", bun, ["run"], REFERENCE, { BUN_JSC_useWasmSIMD: "0" }),
];
