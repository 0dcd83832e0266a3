/** Chooses the kernels, and says why. */

import { ArgumentError, UnsupportedError } from "../foundation/errors.ts";
import {
  checkKernelChoice,
  type KernelChoice,
  type KernelSet,
  type SimdBuild,
} from "./kernel-set.ts";
import { createReferenceKernelSet } from "./reference/reference-kernel-set.ts";
import { knownAnswers } from "./self-test.ts";
import { embeddedModule } from "./wasm/embedded-module.ts";
import type { HostMemory } from "./wasm/instantiate.ts";
import { acceptsRelaxedSimd } from "./wasm/relaxed-simd.ts";
import { createWasmKernelSet } from "./wasm/wasm-kernel-set.ts";

/** Which kernels run, and the reason in words. */
export interface KernelReport {
  readonly name: "wasm" | "reference";
  /** The build of the WASM kernels: both give the same bits. The reference has no SIMD. */
  readonly simd: SimdBuild | "none";
  readonly reason: string;
}

export interface KernelSetOptions {
  /** An engine's memory to work in, in place. WASM only: without it "auto" fails, too. */
  readonly host?: HostMemory | undefined;
  /** A compiled kernels.wasm, for runtimes that forbid compiling bytes. */
  readonly module?: WebAssembly.Module | undefined;
  /** Where builds come from when no module is given: those that are embedded. */
  readonly moduleOf?: ((simd: SimdBuild) => WebAssembly.Module) | undefined;
}

/** What was chosen. */
export interface ChosenKernels {
  readonly kernels: KernelSet;
  readonly report: KernelReport;
}

/**
 * A new set, with its own memory unless `host` is given. "auto" takes WASM if it compiles here and gives the known answers,
 * relaxed SIMD before baseline, else the reference; the report says which and why.
 *
 * @throws ArgumentError; UnsupportedError when "wasm" was asked for and cannot run here
 */
export function createKernelSet(
  choice: KernelChoice = "auto",
  { host, module, moduleOf = embeddedModule }: KernelSetOptions = {},
): ChosenKernels {
  checkKernelChoice(choice);
  if (choice === "reference" && host === undefined) return reference("asked for");
  if (choice === "reference") {
    throw new ArgumentError("host", 'none for "reference", which has no WebAssembly memory', host);
  }
  try {
    return module === undefined
      ? embedded(moduleOf, host)
      : tested(module, host, "WebAssembly SIMD runs here, in the module that was given");
  } catch (cause) {
    if (cause instanceof ArgumentError) throw cause;
    const reason = `WebAssembly SIMD does not run here: ${messageOf(cause)}`;
    if (choice === "wasm" || host !== undefined)
      throw new UnsupportedError(`kernels: ${reason}`, { cause });
    return reference(reason);
  }
}

function reference(reason: string): ChosenKernels {
  const kernels = createReferenceKernelSet();
  return { kernels, report: { name: kernels.name, simd: kernels.simd, reason } };
}

/** The relaxed build where it is accepted and computes what it must, else the baseline. */
function embedded(
  moduleOf: (simd: SimdBuild) => WebAssembly.Module,
  host: HostMemory | undefined,
): ChosenKernels {
  let why = "this engine rejects it";
  if (acceptsRelaxedSimd()) {
    try {
      return tested(
        moduleOf("relaxed"),
        host,
        "WebAssembly SIMD runs here, relaxed: validated and self-tested",
      );
    } catch (cause) {
      why = messageOf(cause);
    }
  }
  return tested(
    moduleOf("baseline"),
    host,
    `WebAssembly SIMD runs here, relaxed SIMD does not: ${why}`,
  );
}

/** @throws UnsupportedError when a known answer is another */
function tested(
  module: WebAssembly.Module,
  host: HostMemory | undefined,
  reason: string,
): ChosenKernels {
  const own = createWasmKernelSet(module);
  const wrong = knownAnswers(own).find(({ hash, answer }) => hash !== answer);
  if (wrong !== undefined) {
    throw new UnsupportedError(
      `the self-test of ${wrong.name} gave another answer than the reference`,
    );
  }
  // The test's places are not an engine's business.
  const kernels = host === undefined ? own : createWasmKernelSet(module, host);
  return { kernels, report: { name: kernels.name, simd: kernels.simd, reason } };
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
