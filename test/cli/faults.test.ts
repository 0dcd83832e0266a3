/** What goes wrong half-way: the output's name is untouched, and nothing lies beside it. */

import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import {
  floatBytesAs,
  opaque,
  readFile,
  referenceFile,
  type TestTensor,
  weights,
} from "../checkpoint/safetensors-files.ts";
import { llamaTensors, writeModel } from "../node/models.ts";
import {
  filesBelow,
  folderWith,
  namesIn,
  quantize,
  quantwise,
  temporaryFolder,
} from "./quantwise.ts";

const cli = fileURLToPath(new URL("../../build/js/cli.js", import.meta.url));
const LATE = "model.layers.1.mlp.up_proj.weight";

/** The model's last weights hold one bad value. */
function spoiled(value: number, index: number): TestTensor[] {
  return llamaTensors({ dtype: "F32" }).map((tensor) => {
    if (tensor.name !== LATE) return tensor;
    const values = new Float32Array(tensor.bytes.slice().buffer);
    values[index] = value;
    return { ...tensor, bytes: floatBytesAs("F32", values) };
  });
}

describe("NaN and infinity", () => {
  it.each([
    ["NaN", NaN, 4321],
    ["Infinity", Infinity, 0],
    ["-Infinity", -Infinity, 8191],
  ])("%s in a late tensor is refused with its name and index", async (text, value, index) => {
    const folder = temporaryFolder();
    writeModel(join(folder, "model"), spoiled(value, index));
    for (const out of ["out", "out.safetensors"]) {
      const { code, stdout, stderr } = await quantwise([
        "quantize",
        join(folder, "model"),
        "-o",
        join(folder, out),
      ]);
      expect(code).toBe(1);
      expect(stdout.toString()).toBe("");
      expect(stderr).toContain(`model.safetensors, tensor "${LATE}": element ${index} is ${text}`);
      expect(stderr).not.toMatch(/\n\s+at /);
    }
    expect(namesIn(folder)).toEqual(["model"]);
  });

  it("goes through with --allow-non-finite", async () => {
    const folder = temporaryFolder();
    writeModel(join(folder, "model"), spoiled(NaN, 9));
    const out = join(folder, "out");
    const flags = ["--allow-non-finite", "--no-double-quant"];
    await quantize([join(folder, "model"), "-o", out, ...flags]);
    const absmax = readFile(readFileSync(join(out, "model.safetensors"))).get(`${LATE}.absmax`);
    expect(new Float32Array(absmax.bytes.buffer)[0]).toBeNaN();
  });

  it("in a copied tensor is nobody's business", async () => {
    const folder = temporaryFolder();
    writeModel(join(folder, "model"), spoiled(NaN, 9));
    const flags = ["--exclude", "**.up_proj.*"];
    await quantize([join(folder, "model"), "-o", join(folder, "out"), ...flags]);
  });

  it("on the way to standard output makes the exit code tell", async () => {
    const folder = writeModel(join(temporaryFolder(), "model"), spoiled(NaN, 9));
    const { code, stderr } = await quantwise(["quantize", folder, "-o", "-"]);
    expect(code).toBe(1);
    expect(stderr).toContain(LATE);
  });
});

describe("a truncated stream", () => {
  it.each(["out", "out.safetensors"])("leaves no %s", async (out) => {
    const folder = temporaryFolder();
    const file = referenceFile(llamaTensors());
    const stdin = file.subarray(0, file.byteLength - 100);
    const args = ["quantize", "-", "-o", join(folder, out)];
    const { code, stderr } = await quantwise(args, { stdin });
    expect(code).toBe(1);
    expect(stderr).toMatch(/standard input, tensor "model\..*cut off/);
    expect(namesIn(folder)).toEqual([]);
  });
});

describe("an interrupted job", () => {
  const TENSORS = 100;
  const SIDE = 1024;

  /** 400 MB of zeros in a hundred tensors; a sparse file takes no room. */
  function largeModel(folder: string): string {
    const path = join(folder, "large.safetensors");
    const tensorBytes = 4 * SIDE * SIDE;
    const members = Array.from({ length: TENSORS }, (_, i) => {
      const offsets = `[${i * tensorBytes},${(i + 1) * tensorBytes}]`;
      const name = `layers.${String(i).padStart(3, "0")}.fc1.weight`;
      return `"${name}":{"dtype":"F32","shape":[${SIDE},${SIDE}],"data_offsets":${offsets}}`;
    });
    const header = Buffer.from(`{${members.join(",")}}`);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.byteLength));
    const fd = openSync(path, "w");
    writeSync(fd, Buffer.concat([length, header]));
    ftruncateSync(fd, 8 + header.byteLength + TENSORS * tensorBytes);
    closeSync(fd);
    return path;
  }

  const large = largeModel(temporaryFolder());

  /** Progress tells when the first tensor is through: ninety-nine are to come. */
  function onFirstTensor(child: ChildProcess, act: () => void): void {
    let text = "";
    const listen = (chunk: Buffer) => {
      text += chunk.toString();
      if (!/^\[ *1\/100\]/m.test(text)) return;
      child.stderr?.off("data", listen);
      act();
    };
    child.stderr?.on("data", listen);
  }

  it.each([
    ["SIGINT", "out"],
    ["SIGINT", "out.safetensors"],
    ["SIGTERM", "out"],
    // The terminal was closed.
    ["SIGHUP", "out"],
  ] as const)("by %s leaves no %s, and says so", async (signal, out) => {
    const folder = temporaryFolder();
    let beside: string[] = [];
    const { code, stderr } = await quantwise(["quantize", large, "-o", join(folder, out)], {
      onStart: (child) => {
        onFirstTensor(child, () => {
          beside = namesIn(folder);
          child.kill(signal);
        });
      },
    });
    expect(code).toBe(130);
    expect(stderr).toContain(`interrupted by ${signal}; nothing was left behind`);
    // It was half-way: something was there when the signal came.
    expect(beside).toHaveLength(1);
    expect(beside[0]).toMatch(/^\.out.*\.partial$/);
    expect(namesIn(folder)).toEqual([]);
  });

  it("leaves what --overwrite was to replace", async () => {
    const folder = folderWith({ "out/config.json": "{}", "out/model.safetensors": "old" });
    const before = filesBelow(folder);
    const args = ["quantize", large, "-o", join(folder, "out"), "--overwrite"];
    const { code } = await quantwise(args, {
      onStart: (child) => onFirstTensor(child, () => child.kill("SIGINT")),
    });
    expect(code).toBe(130);
    expect(filesBelow(folder)).toEqual(before);
  });

  it.each([
    ["in the header", 5],
    ["in a tensor", 4_000_000],
  ])("ends though its standard input is silent: %s", async (_, byteCount) => {
    const folder = temporaryFolder();
    const bytes = readFileSync(large).subarray(0, byteCount);
    const { code } = await quantwise(["quantize", "-", "-o", join(folder, "out.safetensors")], {
      onStart: (child) => {
        child.stdin?.write(bytes, () => setTimeout(() => child.kill("SIGINT"), 400));
      },
    });
    expect(code).toBe(130);
    expect(namesIn(folder)).toEqual([]);
  });

  it("ends when nobody reads its output any more", async () => {
    const child = spawn(process.execPath, [cli, "quantize", large, "-o", "-", "--quiet"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.stdout.once("data", () => child.stdout.destroy());
    const code = await new Promise((resolve) => child.on("close", resolve));
    expect(code).toBe(1);
    expect(stderr).toContain(
      "cannot write standard output: the reader of the output has gone away",
    );
    expect(stderr).not.toMatch(/\n\s+at /);
  });
});

describe("a disk", () => {
  const model = writeModel(join(temporaryFolder(), "model"), llamaTensors({ hidden: 256 }));
  const mounts: string[] = [];
  afterAll(() => {
    for (const path of mounts) spawnSync("umount", [path]);
  });

  /** A file system of its own; undefined where only an administrator may mount one. */
  function mounted(options: string): string | undefined {
    const path = join(temporaryFolder(), "disk");
    mkdirSync(path);
    const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", path]);
    if (status !== 0) return undefined;
    mounts.push(path);
    return path;
  }

  const small = mounted("size=300k");
  const readOnly = mounted("ro,size=300k");
  if (small === undefined || readOnly === undefined) {
    console.warn("SKIPPED: full and read-only disks, because only root may mount a file system");
  }

  it.runIf(small !== undefined).each(["out", "out.safetensors"])(
    "that is full is told of, and %s is not left on it",
    async (out) => {
      const { code, stderr } = await quantwise([
        "quantize",
        model,
        "-o",
        join(small as string, out),
      ]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/cannot write .*partial.*: the disk is full; free some space/);
      expect(stderr).not.toMatch(/\n\s+at /);
      expect(namesIn(small as string)).toEqual([]);
    },
  );

  it.runIf(readOnly !== undefined).each(["out", "out.safetensors"])(
    "that is read-only is told of: %s",
    async (out) => {
      const path = join(readOnly as string, out);
      const { code, stderr } = await quantwise(["quantize", model, "-o", path]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/cannot create .*: the file system is read-only; write elsewhere/);
    },
  );

  it("that takes no more bytes of a file is told of, and nothing is left", () => {
    const folder = temporaryFolder();
    // A limit of the shell stands for any write that fails half-way; it works for everyone.
    const script = 'ulimit -f 100; exec "$0" "$@"';
    const args = ["-c", script, process.execPath, cli, "quantize", model, "-o"];
    for (const out of ["out", "out.safetensors"]) {
      const { status, stderr } = spawnSync("bash", [...args, join(folder, out)]);
      expect(stderr.toString()).toMatch(/cannot write .*partial/);
      expect(status).toBe(1);
      expect(namesIn(folder)).toEqual([]);
    }
  });

  it("that is full behind standard output is told of", () => {
    const script = '"$0" "$@" > /dev/full';
    const args = ["-c", script, process.execPath, cli, "quantize", model, "-o", "-"];
    const { status, stderr } = spawnSync("bash", args);
    expect(stderr.toString()).toContain("cannot write standard output: the disk is full");
    expect(status).toBe(1);
  });

  const isRoot = process.getuid?.() === 0;
  it.skipIf(isRoot)("whose directory may not be written (skipped for root, who may)", async () => {
    const folder = temporaryFolder();
    execFileSync("chmod", ["555", folder]);
    const { code, stderr } = await quantwise(["quantize", model, "-o", join(folder, "out")]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/cannot create .*: permission denied/);
  });
});

describe("an output's path", () => {
  const model = writeModel(join(temporaryFolder(), "model"), llamaTensors({ layers: 1 }));

  it("may have parents that do not exist yet", async () => {
    const folder = temporaryFolder();
    await quantize([model, "-o", join(folder, "a/b/out")]);
    await quantize([model, "-o", join(folder, "c/d/out.safetensors")]);
    expect([...filesBelow(folder).keys()]).toEqual([
      "a/b/out/config.json",
      "a/b/out/model.safetensors",
      "c/d/out.safetensors",
    ]);
  });
});

describe("a pipe among the model's files", () => {
  it("is left out, and nobody waits for it", async () => {
    const folder = temporaryFolder();
    const model = writeModel(join(folder, "model"), [
      weights("fc1.weight", [8, 8]),
      opaque("b", "U8", [1]),
    ]);
    execFileSync("mkfifo", [join(model, "pipe")]);
    writeFileSync(join(model, "tokenizer.json"), "{}");
    await quantize([model, "-o", join(folder, "out")]);
    expect(namesIn(join(folder, "out"))).toEqual([
      "config.json",
      "model.safetensors",
      "tokenizer.json",
    ]);
  });
});

describe("a job with --resume", () => {
  const model = writeModel(join(temporaryFolder(), "model"), llamaTensors({ hidden: 256 }));

  it("keeps what it has done, says where, and goes on from there", async () => {
    const folder = temporaryFolder();
    const args = ["quantize", model, "-o", join(folder, "out"), "--resume"];
    const script = 'ulimit -f 400; exec "$0" "$@"';
    const { status, stderr } = spawnSync("bash", ["-c", script, process.execPath, cli, ...args]);
    expect(status).toBe(1);
    expect(stderr.toString()).toMatch(/cannot write .*partial/);
    expect(stderr.toString()).toMatch(
      /quantwise: what is done is kept in \S+\.partial; the same command goes on from there\n$/,
    );
    expect(namesIn(folder)).toEqual([expect.stringMatching(/^\.out\.[0-9a-f]{12}\.partial$/)]);
    const { stdout } = await quantize([...args.slice(1), "--json"]);
    expect(JSON.parse(stdout.toString()).resumedTensors).toBeGreaterThan(0);
    expect(namesIn(folder)).toEqual(["out"]);
    await quantize([model, "-o", join(folder, "whole")]);
    expect(filesBelow(join(folder, "out"))).toEqual(filesBelow(join(folder, "whole")));
  });

  it("is refused for streams, as the command line's fault", async () => {
    const { code, stderr } = await quantwise(["quantize", model, "-o", "-", "--resume"]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/output: expected a file or a directory with resume/);
  });
});
