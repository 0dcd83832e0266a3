/**
 * The linear kernels that travel inside the package. scripts/build-js.mjs puts imported modules in
 * this file's place for workerd, which compiles no bytes.
 */

import type { SimdBuild } from "../../kernel-set.ts";
import { bytesOfHex } from "../hex.ts";
import { patched } from "../patched.ts";
import { BASELINE, RELAXED_PATCH } from "./linear.generated.ts";

const compiled: { [simd in SimdBuild]?: WebAssembly.Module } = {};

/** An embedded module, compiled on first use. @throws CompileError */
export function linearModule(simd: SimdBuild): WebAssembly.Module {
  compiled[simd] ??= new WebAssembly.Module(wasmBytes(simd));
  return compiled[simd];
}

function wasmBytes(simd: SimdBuild): Uint8Array<ArrayBuffer> {
  const baseline = bytesOfHex(BASELINE);
  return simd === "baseline" ? baseline : patched(baseline, bytesOfHex(RELAXED_PATCH));
}
