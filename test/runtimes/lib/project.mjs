/** The packed tarball, and a project of its own that it is installed into. */

import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { goldenCases } from "../golden.mjs";
import { must } from "./processes.mjs";

export const root = fileURLToPath(new URL("../../../", import.meta.url));
export const here = fileURLToPath(new URL("../", import.meta.url));

/** A program that test/runtimes/package.json brings. */
export const program = (name) => join(here, "node_modules", name);
export const node = (major) => program(`node-${major}/bin/node`);

/** Files of the suite that a project carries in `suite/`. */
const SUITE = ["suite.mjs", "records.mjs", "sha256.mjs", "answers.mjs"];

/**
 * Packs quantwise as npm would publish it, installs it as a user would, and asks Node 20 for the
 * answers.
 *
 * @returns the folders, and `remove` to end them
 */
export async function createProject() {
  const folder = mkdtempSync(join(tmpdir(), "quantwise-runtimes-"));
  const project = join(folder, "project");
  const suite = join(project, "suite");
  mkdirSync(suite, { recursive: true });
  const { stdout } = await must("npm", ["pack", "--json", "--pack-destination", folder], {
    cwd: root,
  });
  const [name] = readdirSync(folder).filter((file) => file.endsWith(".tgz"));
  const tarball = join(folder, name);
  writeFileSync(
    join(project, "package.json"),
    JSON.stringify({ name: "user", private: true, type: "module" }),
  );
  await must("npm", ["install", "--no-audit", "--no-fund", "--no-package-lock", tarball], {
    cwd: project,
  });
  for (const file of SUITE) cpSync(join(here, file), join(suite, file));
  cpSync(join(here, "entries"), suite, { recursive: true });
  // answers.mjs writes over itself: from here on it holds the answers.
  const golden = join(folder, "golden.json");
  writeFileSync(golden, JSON.stringify(goldenCases()));
  const checkpoint = join(root, "test/vectors/checkpoints/llama_tiny_bf16/model.safetensors");
  const answers = join(suite, "answers.mjs");
  const { stdout: made } = await must(node(20), [answers, golden, checkpoint, answers]);
  return {
    folder,
    project,
    suite,
    tarball,
    files: fileCount(stdout),
    made: made.trim(),
    package: join(project, "node_modules/quantwise"),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** npm prints the build's words before its JSON. */
function fileCount(stdout) {
  return /"entryCount": (\d+)/.exec(stdout)?.[1] ?? "?";
}
