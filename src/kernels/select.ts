/** Chooses the kernels, and says why. */

import { UnsupportedError } from "../foundation/errors.ts";
import { FP4 } from "../schemes/fp4.ts";
import { NF4 } from "../schemes/nf4.ts";
import type { KernelChoice, KernelSet } from "./kernel-set.ts";
import { createReferenceKernelSet } from "./reference/reference-kernel-set.ts";
import { createWasmKernelSet } from "./wasm/wasm-kernel-set.ts";

/** Which kernels run, and the reason in words. */
export interface KernelReport {
  readonly name: "wasm" | "reference";
  readonly reason: string;
}

export interface KernelSetOptions {
  /** A compiled kernels.wasm, for runtimes that forbid compiling bytes. */
  readonly module?: WebAssembly.Module | undefined;
}

/** What was chosen, with its own memory. */
export interface ChosenKernels {
  readonly kernels: KernelSet;
  readonly report: KernelReport;
}

/**
 * A new set with its own memory. "auto" takes WASM if it compiles here and gives a known answer,
 * else the reference; the report says which and why.
 *
 * @throws UnsupportedError when "wasm" was asked for and cannot run here
 */
export function createKernelSet(
  choice: KernelChoice = "auto",
  options: KernelSetOptions = {},
): ChosenKernels {
  if (choice === "reference") return reference("asked for");
  try {
    const kernels = createWasmKernelSet(options.module);
    checkKnownAnswer(kernels);
    const reason = choice === "wasm" ? "asked for" : "WebAssembly SIMD runs here";
    return { kernels, report: { name: "wasm", reason } };
  } catch (cause) {
    const reason = `WebAssembly SIMD does not run here: ${messageOf(cause)}`;
    if (choice === "wasm") throw new UnsupportedError(`kernels: ${reason}`, { cause });
    return reference(reason);
  }
}

function reference(reason: string): ChosenKernels {
  return { kernels: createReferenceKernelSet(), report: { name: "reference", reason } };
}

/** A value near every cell of the maps, and a short last block. */
const KNOWN_COUNT = 67;

/**
 * Quantizes and dequantizes a few values, and compares with the reference: an engine that accepts
 * SIMD may still compute it wrongly.
 */
function checkKnownAnswer(kernels: KernelSet): void {
  const expected = knownAnswer(createReferenceKernelSet());
  if (knownAnswer(kernels) !== expected) {
    throw new UnsupportedError("kernels: the self-test gave another answer than the reference");
  }
}

function knownAnswer(kernels: KernelSet): string {
  const valuesPtr = kernels.allocate(4 * KNOWN_COUNT);
  const codesPtr = kernels.allocate(KNOWN_COUNT);
  const absmaxPtr = kernels.allocate(8);
  const decodedPtr = kernels.allocate(4 * KNOWN_COUNT);
  const values = new Float32Array(kernels.buffer, valuesPtr, KNOWN_COUNT);
  for (let i = 0; i < KNOWN_COUNT; i++) values[i] = (i - 31) / 32 + i * i * 1e-5;
  const answer: number[] = [];
  for (const codebook of [NF4, FP4]) {
    const places = [codesPtr, absmaxPtr] as const;
    kernels.quantize4(codebook, "torch", "float32", valuesPtr, ...places, KNOWN_COUNT, 64);
    kernels.dequantize4(codebook, "float32", ...places, decodedPtr, KNOWN_COUNT, 64);
    answer.push(...new Uint8Array(kernels.buffer, codesPtr, (KNOWN_COUNT + 1) >> 1));
    answer.push(...new Float32Array(kernels.buffer, decodedPtr, KNOWN_COUNT));
  }
  return answer.join();
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
