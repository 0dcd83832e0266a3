import { createKernelSet } from "../../src/kernels/select.ts";
import { describeEquivalence } from "./equivalence.suite.ts";

describeEquivalence("wasm", () => createKernelSet("wasm").kernels);
