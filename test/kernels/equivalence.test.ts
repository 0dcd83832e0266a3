import { createKernelSet } from "../../src/kernels/select.ts";
import { describeEquivalence } from "./equivalence.suite.ts";
import { describeRuns } from "./runs.suite.ts";

describeEquivalence("wasm", () => createKernelSet("wasm").kernels);
describeRuns("wasm", () => createKernelSet("wasm").kernels);
