/** Which kernels a runtime is to choose: `run` of suite.mjs checks it. */

/** Where the engine takes relaxed SIMD. */
export const RELAXED = { kernels: "wasm", simd: "relaxed" };
/** Where it does not: V8 before 11.4 (Node 20), WebKit. */
export const BASELINE = {
  kernels: "wasm",
  simd: "baseline",
  because: "relaxed SIMD does not: this engine rejects it",
};
/** Where SIMD or compiling is missing. */
export const REFERENCE = {
  kernels: "reference",
  simd: "none",
  because: "WebAssembly SIMD does not run here: ",
};
/** Where WebAssembly itself is missing, and compiled JavaScript too: no large cases. */
export const INTERPRETED = {
  ...REFERENCE,
  because: "WebAssembly is not defined",
  onlySmall: true,
};

/** What a Node of this major version is to choose. */
export const ofNode = (major) => (major < 22 ? BASELINE : RELAXED);
