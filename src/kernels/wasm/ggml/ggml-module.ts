/**
 * The kernels of ggml's block types that travel inside the package. scripts/build-js.mjs puts an
 * imported module in this file's place for workerd, which compiles no bytes.
 */

import { bytesOfHex } from "../hex.ts";
import { BASELINE } from "./ggml.generated.ts";

let compiled: WebAssembly.Module | undefined;

/** The embedded module, compiled on first use. @throws CompileError */
export function ggmlModule(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(bytesOfHex(BASELINE));
  return compiled;
}
