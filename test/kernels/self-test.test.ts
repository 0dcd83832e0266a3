/** What is known of the kernels before they are used. */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { createReferenceKernelSet } from "../../src/kernels/reference/reference-kernel-set.ts";
import { knownAnswers } from "../../src/kernels/self-test.ts";
import { createWasmKernelSet } from "../../src/kernels/wasm/wasm-kernel-set.ts";
import { swizzlesOf, withoutSwizzle } from "./broken-modules.ts";

const built = (name: string) => readFileSync(new URL(`../../build/${name}`, import.meta.url));
const baseline = built("kernels.wasm");
const relaxed = built("kernels-relaxed.wasm");

describe("the known answers", () => {
  it("are the reference's", () => {
    for (const { name, hash, answer } of knownAnswers(createReferenceKernelSet())) {
      expect(`${name} 0x${hash.toString(16)}`).toBe(`${name} 0x${answer.toString(16)}`);
    }
  });

  it("are given again by a set that has worked", () => {
    const kernels = createWasmKernelSet(new WebAssembly.Module(baseline));
    for (let i = 0; i < 3; i++) {
      expect(knownAnswers(kernels).every(({ hash, answer }) => hash === answer)).toBe(true);
    }
  });

  // They are all that the relaxed build does otherwise.
  it("change with every single swizzle", () => {
    const places = swizzlesOf(baseline);
    expect(places.length).toBeGreaterThan(20);
    expect(relaxed.length).toBe(baseline.length + places.length);
    const unseen = places.filter((_, index) => {
      const module = new WebAssembly.Module(withoutSwizzle(baseline, index));
      return knownAnswers(createWasmKernelSet(module)).every(({ hash, answer }) => hash === answer);
    });
    expect(unseen).toEqual([]);
  });
});
