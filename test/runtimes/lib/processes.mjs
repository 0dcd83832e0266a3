/** Child processes with a time limit; what they leave behind is ended with them. */

import { spawn } from "node:child_process";
import { createServer } from "node:net";

/** @returns exit code, standard output and error; a process over its limit is ended */
export function execute(command, args, { cwd, env, seconds = 120 } = {}) {
  return new Promise((resolve) => {
    const child = start(command, args, { cwd, env });
    let stdout = "";
    let stderr = "";
    let isLate = false;
    child.stdout.setEncoding("utf8").on("data", (text) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      stderr += text;
    });
    const timer = setTimeout(() => {
      isLate = true;
      stop(child);
    }, seconds * 1000);
    child.on("error", (error) => {
      clearTimeout(timer);
      resolve({ code: -1, stdout, stderr: `${stderr}${error.message}\n` });
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      if (isLate) stderr += `ended after ${seconds} s\n`;
      resolve({ code: code ?? -1, stdout, stderr });
    });
  });
}

/** The same, but a failure throws with what was said. */
export async function must(command, args, options) {
  const result = await execute(command, args, options);
  if (result.code !== 0) {
    const said = `${result.stdout}\n${result.stderr}`.trim().slice(-4000);
    throw new Error(`${command} ${args.join(" ")}: exit code ${result.code}\n${said}`);
  }
  return result;
}

/** A process in a group of its own, so that its children end with it. */
export function start(command, args, { cwd, env, input } = {}) {
  return spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: [input ?? "ignore", "pipe", "pipe"],
    detached: true,
  });
}

export function stop(child) {
  if (child.pid === undefined || child.exitCode !== null) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}

/** A port of this machine where nobody listens yet. */
export function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
