/**
 * The kernels that travel inside the package. scripts/build-js.mjs puts an imported kernels.wasm in
 * this file's place for workerd, which compiles no bytes.
 */

import { kernelsWasm } from "./binary.generated.ts";

let compiled: WebAssembly.Module | undefined;

/** The embedded module, compiled on first use. */
export function embeddedModule(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(kernelsWasm());
  return compiled;
}
