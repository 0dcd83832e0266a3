import { readFileSync } from "node:fs";
import { createKernelSet } from "../../src/kernels/select.ts";
import { describeEquivalence } from "./equivalence.suite.ts";
import { describeRuns } from "./runs.suite.ts";

/** The build with assertions, as a module that the caller compiled. */
const module = new WebAssembly.Module(
  readFileSync(new URL("../../build/kernels.debug.wasm", import.meta.url)),
);

describeEquivalence("wasm (debug)", () => createKernelSet("wasm", { module }).kernels);
describeRuns("wasm (debug)", () => createKernelSet("wasm", { module }).kernels);
