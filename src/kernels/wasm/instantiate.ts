/** From a compiled module to kernels and their memory. */

import { instantiateSync } from "@assemblyscript/loader";
import { UnsupportedError } from "../../foundation/errors.ts";
import { ABI_VERSION, EXPORT_NAMES, type KernelExports } from "./exports.ts";

export interface KernelInstance {
  readonly exports: KernelExports;
  readonly memory: WebAssembly.Memory;
}

/** Memory of an engine that kernels are to work in, and who hands out places of it. */
export interface HostMemory {
  /** Not shared. The kernels' constants lie from byte 64 to their `heapBase()`, below byte 1024. */
  readonly memory: WebAssembly.Memory;
  /** Address of `byteCount` bytes that stay ours, a multiple of 16; it may grow the memory. */
  allocate(byteCount: number): number;
}

const PAGE_BYTES = 65536;

/**
 * A new instance.
 *
 * @param module  one of another realm goes to the engine directly: the loader would take it for bytes
 * @param memory  one of its own, as small as the module allows, unless an engine's is given
 * @throws UnsupportedError when the module is not a kernels.wasm of our version
 */
export function instantiateKernels(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory = new WebAssembly.Memory({ initial: 1 }),
): KernelInstance {
  const imports = { env: { memory, abort: refuse } };
  const instance =
    module instanceof WebAssembly.Module
      ? instantiateSync(module, imports).instance
      : new WebAssembly.Instance(module, imports);
  // The engine types exports as unknown; the check that follows is what makes this true.
  const exports = instance.exports as unknown as KernelExports;
  const missing = EXPORT_NAMES.filter((name) => typeof exports[name] !== "function");
  if (missing.length > 0 || exports.abiVersion() !== ABI_VERSION) {
    throw new UnsupportedError(
      `kernels: expected a kernels.wasm with ABI ${ABI_VERSION}, received ` +
        (missing.length > 0 ? `one without ${missing.join(", ")}` : `ABI ${exports.abiVersion()}`),
    );
  }
  return { exports, memory };
}

/** Makes room up to address `end`. */
export function growTo(memory: WebAssembly.Memory, end: number): void {
  const missing = end - memory.buffer.byteLength;
  if (missing <= 0) return;
  try {
    memory.grow(Math.ceil(missing / PAGE_BYTES));
  } catch (cause) {
    throw new UnsupportedError(`kernels: cannot grow WebAssembly memory to ${end} bytes`, {
      cause,
    });
  }
}

/** Only the debug build imports it: an assertion failed. */
function refuse(_message: number, _file: number, line: number, column: number): never {
  throw new Error(`kernel assertion failed at ${line}:${column}`);
}
