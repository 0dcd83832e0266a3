/**
 * The linear kernels that travel inside the package. scripts/build-js.mjs puts an imported
 * linear.wasm in this file's place for workerd, which compiles no bytes.
 */

import { bytesOfHex } from "../hex.ts";
import { BASELINE } from "./linear.generated.ts";

let compiled: WebAssembly.Module | undefined;

/** The embedded module, compiled on first use. @throws CompileError */
export function linearModule(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(bytesOfHex(BASELINE));
  return compiled;
}
