/** What a runtime lacks, what that costs, and how to get it. */

import type { Diagnosis, Missing } from "./diagnosis.ts";

/** For Node the version that has it; others have it for long. */
const NEWER = { relaxed: "Node 22 or newer", float16Array: "Node 24 or newer" };

export function missingOf(found: Omit<Diagnosis, "missing">): Missing[] {
  const { runtime, kernels, quantize, threads, webgpu, float16Array, hubToken } = found;
  const newer = (what: keyof typeof NEWER) =>
    runtime.name === "node" ? NEWER[what] : "a newer version of this runtime";
  const missing: Missing[] = [];
  if (!quantize.works) {
    missing.push({
      what: "quantizing",
      lost: `Everything: ${quantize.reason}.`,
      remedy: "another runtime, and a report of this one",
    });
  }
  if (kernels.name === "reference") {
    missing.push({
      what: "WebAssembly SIMD",
      lost: "Quantizing is ten to thirty times as fast with it; the bytes are the same.",
      remedy: "a runtime whose options and whose machine allow it (on x86 SSE 4.1)",
    });
  } else if (kernels.simd === "baseline") {
    missing.push({
      what: "relaxed SIMD",
      lost: "Dequantizing in memory is up to 1.27 times as fast with it, quantizing 1.06 times; the bytes are the same.",
      remedy: newer("relaxed"),
    });
  }
  if (!threads.works) {
    missing.push({
      what: "threads",
      lost: "--threads above 1 fails; one thread, the default, works.",
      remedy: "the whole package: a worker is a file beside the command",
    });
  }
  if (!webgpu.works) {
    missing.push({
      what: "WebGPU",
      lost: "Nothing of the command. quantwise/webgpu runs its work on the CPU.",
      remedy:
        "a GPU with its driver, and navigator.gpu: in Deno, browsers, Node with the package webgpu",
    });
  }
  if (!float16Array) {
    missing.push({
      what: "Float16Array",
      lost: 'Weights in float16 are passed as Uint16Array with dtype "float16"; files need nothing.',
      remedy: newer("float16Array"),
    });
  }
  if (!hubToken) {
    missing.push({
      what: "a token for the Hugging Face Hub",
      lost: "Its private and gated models.",
      remedy: "HF_TOKEN in the environment, or --token-file",
    });
  }
  return missing;
}
