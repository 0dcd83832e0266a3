/** Chooses the linear kernels, and says why. */

import { UnsupportedError } from "../foundation/errors.ts";
import type { KernelChoice } from "./kernel-set.ts";
import type { LinearKernels } from "./linear-kernels.ts";
import { createReferenceLinearKernels } from "./reference/linear/linear-kernels.ts";
import type { KernelReport } from "./select.ts";
import { createWasmLinearKernels } from "./wasm/linear/linear-kernels.ts";
import { linearModule } from "./wasm/linear/linear-module.ts";
import { acceptsRelaxedSimd } from "./wasm/relaxed-simd.ts";

/** What was chosen, with its own memory. */
export interface ChosenLinearKernels {
  readonly kernels: LinearKernels;
  readonly report: KernelReport;
}

/**
 * New kernels with their own memory. "auto" takes WASM if it compiles here and gives a known
 * answer, relaxed SIMD before baseline, else the reference; the report says which and why.
 *
 * @param module a compiled linear.wasm, for runtimes that forbid compiling bytes
 * @throws UnsupportedError when "wasm" was asked for and cannot run here
 */
export function createLinearKernels(
  choice: KernelChoice = "auto",
  module?: WebAssembly.Module,
): ChosenLinearKernels {
  if (choice === "reference") return reference("asked for");
  try {
    return module === undefined
      ? embedded()
      : tested(module, "WebAssembly SIMD runs here, in the module that was given");
  } catch (cause) {
    const reason = `WebAssembly SIMD does not run here: ${messageOf(cause)}`;
    if (choice === "wasm") throw new UnsupportedError(`kernels: ${reason}`, { cause });
    return reference(reason);
  }
}

function reference(reason: string): ChosenLinearKernels {
  return reported(createReferenceLinearKernels(), reason);
}

function embedded(): ChosenLinearKernels {
  let why = "this engine rejects it";
  if (acceptsRelaxedSimd()) {
    try {
      const reason = "WebAssembly SIMD runs here, relaxed: validated and self-tested";
      return tested(linearModule("relaxed"), reason);
    } catch (cause) {
      why = messageOf(cause);
    }
  }
  const reason = `WebAssembly SIMD runs here, relaxed SIMD does not: ${why}`;
  return tested(linearModule("baseline"), reason);
}

/** @throws UnsupportedError when the known answer is another */
function tested(module: WebAssembly.Module, reason: string): ChosenLinearKernels {
  const kernels = createWasmLinearKernels(module);
  if (knownAnswer(kernels) !== knownAnswer(createReferenceLinearKernels())) {
    throw new UnsupportedError("the self-test of products gave another answer than the reference");
  }
  return reported(kernels, reason);
}

function reported(kernels: LinearKernels, reason: string): ChosenLinearKernels {
  return { kernels, report: { name: kernels.name, simd: kernels.simd, reason } };
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

const LEVELS = /* @__PURE__ */ Float32Array.from({ length: 16 }, (_, i) => (i - 7.5) / 7.5);
const INTEGERS = /* @__PURE__ */ Int8Array.from(LEVELS, (level) => Math.round(127 * level));

/** Products of both kinds with both widths of codes, at the start of an empty memory. */
function knownAnswer(kernels: LinearKernels): string {
  const start = Math.ceil(kernels.heapBase / 16) * 16;
  const [xPtr, codesPtr, scalePtr, yPtr, xCodesPtr, sumsPtr] = [0, 256, 448, 512, 768, 1024].map(
    (offset) => start + offset,
  ) as [number, number, number, number, number, number];
  kernels.growTo(start + 2048);
  new Float32Array(kernels.buffer, xPtr, 64).forEach((_, i, x) => {
    x[i] = Math.fround(((i * 37) % 64) / 9 - 3.1);
  });
  new Uint8Array(kernels.buffer, codesPtr, 192).forEach((_, i, codes) => {
    codes[i] = (i * 151) % 256;
  });
  new Float32Array(kernels.buffer, scalePtr, 6).set([0.1, 0.3, -0.7, 1.1, 2.3, 0.9]);
  const places = { codesPtr, scalePtr, zeroPointPtr: 0, rowCount: 3, columnCount: 64 };
  const rows = { ...places, groupLength: 32 };
  const answer: number[] = [];
  for (const codes of [
    { bits: 4, levels: { levels: LEVELS, integers: INTEGERS } },
    { bits: 8, factor: Math.fround(0.3) },
  ] as const) {
    kernels.dot(codes, rows, xPtr, yPtr);
    answer.push(...new Float32Array(kernels.buffer, yPtr, 3));
    kernels.decode(codes, { ...rows, rowCount: 1 }, 32, 32, yPtr, 128);
    answer.push(...new Float32Array(kernels.buffer, yPtr, 32));
    kernels.quantizeActivations(codes.bits, xPtr, xCodesPtr, sumsPtr, 64, 32);
    kernels.dotInt8(codes, rows, xCodesPtr, sumsPtr, Math.fround(0.01), yPtr);
    answer.push(...new Float32Array(kernels.buffer, yPtr, 3));
  }
  return answer.join();
}
