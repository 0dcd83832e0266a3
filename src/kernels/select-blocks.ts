/** Chooses the kernels of ggml's block types, and says why. */

import { UnsupportedError } from "../foundation/errors.ts";
import { BLOCK_LAYOUTS, BLOCK_TYPES } from "../schemes/ggml/block-types.ts";
import type { BlockKernels } from "./block-kernels.ts";
import type { KernelChoice } from "./kernel-set.ts";
import { createReferenceBlockKernels } from "./reference/ggml/block-kernels.ts";
import type { KernelReport } from "./select.ts";
import { createWasmBlockKernels } from "./wasm/ggml/block-kernels.ts";
import { ggmlModule } from "./wasm/ggml/ggml-module.ts";

/** What was chosen, with its own memory. */
export interface ChosenBlockKernels {
  readonly kernels: BlockKernels;
  readonly report: KernelReport;
}

/**
 * New kernels with their own memory. "auto" takes WASM if it compiles here and gives a known answer,
 * else the reference; the report says which and why.
 *
 * @param module a compiled ggml.wasm, for runtimes that forbid compiling bytes
 * @throws UnsupportedError when "wasm" was asked for and cannot run here
 */
export function createBlockKernels(
  choice: KernelChoice = "auto",
  module?: WebAssembly.Module,
): ChosenBlockKernels {
  if (choice === "reference") return reference("asked for");
  try {
    const kernels = createWasmBlockKernels(module ?? ggmlModule());
    if (knownAnswer(kernels) !== knownAnswer(createReferenceBlockKernels())) {
      throw new UnsupportedError("the self-test of blocks gave another answer than the reference");
    }
    const where = module === undefined ? "" : ", in the module that was given";
    return reported(kernels, `WebAssembly SIMD runs here${where}`);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const reason = `WebAssembly SIMD does not run here: ${message}`;
    if (choice === "wasm") throw new UnsupportedError(`kernels: ${reason}`, { cause });
    return reference(reason);
  }
}

function reference(reason: string): ChosenBlockKernels {
  return reported(createReferenceBlockKernels(), reason);
}

function reported(kernels: BlockKernels, reason: string): ChosenBlockKernels {
  return { kernels, report: { name: kernels.name, simd: kernels.simd, reason } };
}

/** 256 values in every type, and back. */
function knownAnswer(kernels: BlockKernels): string {
  const count = 256;
  const valuesPtr = Math.ceil(kernels.heapBase / 16) * 16;
  const blocksPtr = valuesPtr + 4 * count;
  const backPtr = blocksPtr + 4 * count;
  kernels.growTo(backPtr + 4 * count);
  new Float32Array(kernels.buffer, valuesPtr, count).forEach((_, i, values) => {
    values[i] = Math.fround((((i * 151) % 256) - 127.3) / (i % 7 === 0 ? 90 : 700));
  });
  const answer: number[] = [];
  for (const type of BLOCK_TYPES) {
    const { blockValues, blockBytes } = BLOCK_LAYOUTS[type];
    const blocks = count / blockValues;
    answer.push(kernels.quantize(type, valuesPtr, blocksPtr, blocks));
    kernels.dequantize(type, blocksPtr, backPtr, blocks);
    answer.push(
      ...new Uint8Array(kernels.buffer, blocksPtr, blocks * blockBytes),
      ...new Float32Array(kernels.buffer, backPtr, count),
    );
  }
  return answer.join();
}
