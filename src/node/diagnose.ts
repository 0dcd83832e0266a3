/** `diagnose`: what quantwise finds in this runtime. */

import { arch, availableParallelism, platform, totalmem } from "node:os";
import { createKernelSet } from "../kernels/select.ts";
import { knownAnswers } from "../kernels/self-test.ts";
import { embeddedModule } from "../kernels/wasm/embedded-module.ts";
import { kernels } from "../tensor/default-workspace.ts";
import { dequantize } from "../tensor/dequantize.ts";
import { quantize } from "../tensor/quantize.ts";
import { quantizeParallel } from "../threads/quantize-parallel.ts";
import type { Diagnosis, Trial } from "./diagnosis.ts";
import { missingOf } from "./missing.ts";
import { createThreadPool } from "./threads.ts";
import { hubTokenName } from "./web-input.ts";

/** Compiles both builds of the kernels, quantizes a little, and starts a thread. */
export async function diagnose(): Promise<Diagnosis> {
  const found = {
    runtime: runtimeOf(process.versions),
    kernels: { ...kernels },
    builds: { relaxed: tried(() => build("relaxed")), baseline: tried(() => build("baseline")) },
    quantize: tried(quantizeSome),
    threads: { cores: availableParallelism(), ...(await triedAsync(startThread)) },
    webgpu: await triedAsync(askForGpu),
    float16Array: "Float16Array" in globalThis,
    memory: { totalBytes: totalmem(), limitBytes: memoryLimit() },
    hubToken: hubTokenName() !== undefined,
  };
  return { ...found, missing: missingOf(found) };
}

/** Deno and Bun tell a version of Node, too. */
function runtimeOf(versions: NodeJS.ProcessVersions): Diagnosis["runtime"] {
  const name = (["deno", "bun"] as const).find((key) => versions[key] !== undefined) ?? "node";
  const version = versions[name] as string;
  return { name, version, platform: platform(), architecture: arch() };
}

function build(simd: "relaxed" | "baseline"): string {
  createKernelSet("wasm", { module: embeddedModule(simd) });
  return "compiled and self-tested";
}

function someWeights(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => Math.sin(i * i) * 0.02);
}

/** A level of NF4 is at most this far from a weight, for an absmax of 0.02. */
const LARGEST_ERROR = 0.004;

function quantizeSome(): string {
  // WASM was tested when it was chosen, the reference was not.
  const wrong = knownAnswers(createKernelSet().kernels).find(({ hash, answer }) => hash !== answer);
  if (wrong !== undefined) throw new Error(`${wrong.name} comes out wrong`);
  const weights = someWeights(1000);
  const restored = dequantize(quantize(weights));
  const isNear = weights.every((x, i) => Math.abs(x - (restored[i] as number)) < LARGEST_ERROR);
  if (!isNear) throw new Error("weights come back as others");
  return "known answers, and weights there and back";
}

/** How long a thread may take to start. */
const PATIENCE_MS = 20_000;

async function startThread(): Promise<string> {
  const pool = createThreadPool({ threads: 1 });
  const giveUp = setTimeout(
    () => pool.close(new Error(`no answer in ${PATIENCE_MS / 1000} s`)),
    PATIENCE_MS,
  );
  try {
    const weights = someWeights(4096);
    const { codes } = await quantizeParallel(weights, { pool });
    if (pool.active !== 1) throw new Error("no thread took part");
    if (codes.join() !== quantize(weights).codes.join()) throw new Error("it gave other bytes");
    return "one was started and quantized";
  } finally {
    clearTimeout(giveUp);
    pool.close();
  }
}

/** The part of WebGPU that says whether it is there. */
interface Gpu {
  requestAdapter(): Promise<{ readonly info?: { readonly description?: string } } | null>;
}

async function askForGpu(): Promise<string> {
  const { gpu } = (globalThis.navigator ?? {}) as { readonly gpu?: Gpu };
  if (gpu === undefined) throw new Error("no navigator.gpu");
  const adapter = await gpu.requestAdapter();
  if (adapter === null) throw new Error("navigator.gpu has no adapter");
  return `an adapter: ${adapter.info?.description || "without a description"}`;
}

function memoryLimit(): number | null {
  const limit = process.constrainedMemory?.() ?? 0;
  return limit > 0 && limit < totalmem() ? limit : null;
}

function tried(run: () => string): Trial {
  try {
    return { works: true, reason: run() };
  } catch (error) {
    return { works: false, reason: messageOf(error) };
  }
}

async function triedAsync(run: () => Promise<string>): Promise<Trial> {
  try {
    return { works: true, reason: await run() };
  } catch (error) {
    return { works: false, reason: messageOf(error) };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
