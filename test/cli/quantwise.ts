/** Runs the built command in a process of its own, on real files. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";

const cli = fileURLToPath(new URL("../../build/js/cli.js", import.meta.url));
const vectors = fileURLToPath(new URL("../vectors/checkpoints/", import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface RunOptions {
  /** What comes on standard input; nothing means that it is closed. */
  readonly stdin?: Uint8Array;
  readonly cwd?: string;
  /** Instead of this process's environment. */
  readonly env?: NodeJS.ProcessEnv;
  /** Options of Node itself. */
  readonly nodeArgs?: readonly string[];
  /** For a test that sends signals or feeds standard input itself. */
  readonly onStart?: (child: ChildProcess) => void;
}

export function quantwise(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return new Promise((done, failed) => {
    const { cwd, env, nodeArgs = [] } = options;
    const child = spawn(process.execPath, [...nodeArgs, cli, ...args], {
      cwd,
      env,
      stdio: ["pipe", "pipe", "pipe"],
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    child.on("error", failed);
    child.on("close", (code) =>
      done({ code, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString() }),
    );
    // A command that refuses its arguments does not read on.
    child.stdin.on("error", () => {});
    if (options.onStart !== undefined) options.onStart(child);
    else child.stdin.end(options.stdin);
  });
}

/** As `quantwise quantize`, which must succeed. */
export async function quantize(
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  const result = await quantwise(["quantize", ...args], options);
  if (result.code !== 0) throw new Error(`exit code ${result.code}: ${result.stderr}`);
  return result;
}

const folders: string[] = [];

// Registered when a test file is loaded: it then runs after that file's tests.
afterAll(() => {
  for (const name of folders) rmSync(name, { recursive: true, force: true });
});

/** A fresh folder that is gone after the tests of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "quantwise-test-"));
  folders.push(folder);
  return folder;
}

/** A golden checkpoint's folder. */
export function goldenFolder(name: string): string {
  return join(vectors, name);
}

/** Every file below a folder, by its relative name, in order. */
export function filesBelow(folder: string): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  const paths = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name));
  for (const path of paths.sort()) files.set(relative(folder, path), readFileSync(path));
  return files;
}

/** Names in a folder, hidden ones too. */
export function namesIn(folder: string): string[] {
  return readdirSync(folder).sort();
}

/** Writes files and returns their folder. */
export function folderWith(
  files: Readonly<Record<string, Uint8Array | string>>,
  folder: string = temporaryFolder(),
): string {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}
