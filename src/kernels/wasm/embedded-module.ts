/**
 * The kernels that travel inside the package. scripts/build-js.mjs puts imported modules in this
 * file's place for workerd, which compiles no bytes.
 */

import type { SimdBuild } from "../kernel-set.ts";
import { BASELINE, RELAXED_PATCH } from "./binary.generated.ts";
import { patched } from "./patched.ts";

const compiled: { [simd in SimdBuild]?: WebAssembly.Module } = {};

/** An embedded module, compiled on first use. */
export function embeddedModule(simd: SimdBuild): WebAssembly.Module {
  compiled[simd] ??= new WebAssembly.Module(wasmBytes(simd));
  return compiled[simd];
}

function wasmBytes(simd: SimdBuild): Uint8Array<ArrayBuffer> {
  const baseline = bytesOf(BASELINE);
  return simd === "baseline" ? baseline : patched(baseline, bytesOf(RELAXED_PATCH));
}

function bytesOf(hex: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}
