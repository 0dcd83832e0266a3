/**
 * The kernels that travel inside the package. scripts/build-js.mjs puts imported modules in this
 * file's place for workerd, which compiles no bytes.
 */

import { BASELINE, RELAXED_PATCH } from "./binary.generated.ts";
import { patched } from "./patched.ts";

/** Which instructions a build uses. */
export type SimdVariant = "baseline" | "relaxed";

const compiled: { [variant in SimdVariant]?: WebAssembly.Module } = {};

/** An embedded module, compiled on first use. @throws CompileError */
export function embeddedModule(variant: SimdVariant): WebAssembly.Module {
  compiled[variant] ??= new WebAssembly.Module(wasmBytes(variant));
  return compiled[variant];
}

function wasmBytes(variant: SimdVariant): Uint8Array<ArrayBuffer> {
  const baseline = bytesOf(BASELINE);
  return variant === "baseline" ? baseline : patched(baseline, bytesOf(RELAXED_PATCH));
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}
