/** `quantwise doctor`: what it finds is there, and what is missing is told. */

import { spawnSync } from "node:child_process";
import { copyFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { kernels } from "../../src/index.ts";
import type { Diagnosis } from "../../src/node/index.ts";
import { quantwise, type RunOptions, temporaryFolder } from "./quantwise.ts";

const { HF_TOKEN: _, HUGGING_FACE_HUB_TOKEN: __, ...env } = process.env;

async function diagnosis(options: RunOptions = {}): Promise<{ code: number | null } & Diagnosis> {
  const { code, stdout, stderr } = await quantwise(["doctor", "--json"], { env, ...options });
  expect(stderr.replace(/^Warning:.*\n/, "")).toBe("");
  expect(stdout.toString().trimEnd().split("\n").length).toBe(1);
  return { code, ...JSON.parse(stdout.toString()) };
}

const missing = (found: Diagnosis) => found.missing.map(({ what }) => what);

describe("quantwise doctor", () => {
  it("tells what this runtime has", async () => {
    const found = await diagnosis();
    expect(found).toMatchObject({
      code: 0,
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      runtime: {
        name: "node",
        version: process.versions.node,
        platform: process.platform,
        architecture: process.arch,
      },
      kernels: { ...kernels },
      builds: { relaxed: { works: kernels.simd === "relaxed" }, baseline: { works: true } },
      quantize: { works: true },
      threads: { cores: availableParallelism(), works: true },
      float16Array: "Float16Array" in globalThis,
      hubToken: false,
    });
    expect(missing(found).includes("relaxed SIMD")).toBe(kernels.simd === "baseline");
    expect(missing(found).includes("Float16Array")).toBe(!found.float16Array);
    expect(missing(found).includes("WebGPU")).toBe(!found.webgpu.works);
    for (const { lost, remedy } of found.missing) {
      expect(lost).toMatch(/\.$/);
      expect(remedy).not.toBe("");
    }
  });

  it("tells people the same", async () => {
    const { code, stdout } = await quantwise(["doctor"], { env });
    const text = stdout.toString();
    expect(code).toBe(0);
    expect(text).toContain(`node ${process.versions.node}, `);
    expect(text).toContain(kernels.reason);
    expect(text).toMatch(/^threads +\d+ at once; one was started and quantized$/m);
    expect(text).toMatch(/^Missing:\n( {2}.+\n {4}lost: {4}.+\n {4}to get: {2}.+\n)+$/m);
    expect(text).toContain("HF_TOKEN in the environment");
  });

  it("knows whether there is a token, and does not show it", async () => {
    const secret = "hf_doNotShowThis";
    const options = { env: { ...env, HF_TOKEN: secret } };
    const found = await diagnosis(options);
    expect(found.hubToken).toBe(true);
    expect(missing(found)).not.toContain("a token for the Hugging Face Hub");
    const { stdout } = await quantwise(["doctor"], options);
    expect(stdout.toString() + JSON.stringify(found)).not.toContain("doNotShowThis");
  });

  it("says what is lost without WebAssembly, where all works still", async () => {
    const found = await diagnosis({ nodeArgs: ["--jitless"] });
    expect(found).toMatchObject({
      code: 0,
      kernels: { name: "reference", simd: "none" },
      builds: { relaxed: { works: false }, baseline: { works: false } },
      quantize: { works: true },
    });
    expect(found.kernels.reason).toContain("WebAssembly is not defined");
    expect(missing(found)).toContain("WebAssembly SIMD");
  });

  it("exits with 1 where quantizing fails", async () => {
    const broken = "data:text/javascript,Math.fround=()=>NaN";
    const found = await diagnosis({ nodeArgs: ["--import", broken, "--jitless"] });
    expect(found.code).toBe(1);
    expect(found.quantize.works).toBe(false);
    expect(found.missing[0]?.what).toBe("quantizing");
  });

  it("tells that threads do not start, when their file is not there", () => {
    const alone = join(temporaryFolder(), "cli.mjs");
    copyFileSync(fileURLToPath(new URL("../../build/js/cli.js", import.meta.url)), alone);
    const { status, stdout } = spawnSync(process.execPath, [alone, "doctor", "--json"], { env });
    const found = JSON.parse(stdout.toString()) as Diagnosis;
    expect(status).toBe(0);
    expect(found.threads).toMatchObject({ works: false, reason: expect.stringContaining("died") });
    expect(missing(found)).toContain("threads");
  });
});
