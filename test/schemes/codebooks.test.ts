import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/foundation/errors.ts";
import { midpointDecision } from "../../src/schemes/codebook.ts";
import {
  type Codebook,
  createDynamicMap,
  createFp8Map,
  createLinearMap,
  custom8,
  dynamic8,
  FP4,
  NF4,
} from "../../src/schemes/index.ts";
import { goldenGroup, sha256 } from "../kernels/golden.ts";

const bytesOf = (table: Float32Array) => new Uint8Array(table.buffer);

describe("level tables", () => {
  const { cases, tensor } = goldenGroup("codebooks");
  const hashes = cases[0]?.sha256 ?? {};

  it.each([
    ["nf4", () => NF4.levels],
    ["fp4", () => FP4.levels],
    ["dynamic_signed", () => createDynamicMap({ signed: true })],
    ["dynamic_unsigned", () => createDynamicMap({ signed: false })],
    ["linear_signed", () => createLinearMap({ signed: true })],
    ["linear_unsigned", () => createLinearMap({ signed: false })],
    ["fp8_e5m2_signed", () => createFp8Map({ signed: true, exponentBits: 5, precisionBits: 2 })],
    ["fp8_e4m3_signed", () => createFp8Map({ signed: true, exponentBits: 4, precisionBits: 3 })],
  ] as const)("%s is bitsandbytes' bit for bit", (name, create) => {
    expect(sha256(bytesOf(create()))).toBe(hashes[name]);
  });

  it.each([
    ["nf4", NF4],
    ["fp4", FP4],
  ] as const)("has the midpoints and the order of %s", (name, codebook) => {
    const { midpoints, order } = midpointDecision(codebook);
    expect(bytesOf(midpoints)).toEqual(tensor(`${name}_default_bounds`).bytes);
    const stored = new BigInt64Array(tensor(`${name}_default_order`).bytes.buffer);
    expect([...order]).toEqual(Array.from(stored, Number));
  });

  it("writes the dynamic map that published checkpoints hold", () => {
    expect(sha256(bytesOf(dynamic8().levels))).toBe(
      "e732639a65f497b4ad684bb166a4467708255edd5207757de8b8f0c7e1fda89c",
    );
    expect(dynamic8()).toBe(dynamic8());
  });
});

describe("thresholds of the CUDA source", () => {
  /** Distance in representable values from the midpoint between levels of neighbouring ranks. */
  function ulpsFromMidpoints(codebook: Codebook, first: number): number[] {
    const { midpoints } = midpointDecision(codebook);
    const expected = new Int32Array(midpoints.buffer).subarray(first);
    const thresholds = codebook.cuda?.thresholds ?? new Float32Array();
    return Array.from(new Int32Array(thresholds.buffer), (bits, i) => {
      const distance = bits - (expected[i] as number);
      return distance === 0 ? 0 : distance;
    });
  }

  it("differ from NF4's midpoints at four places, by one ulp", () => {
    const distances = ulpsFromMidpoints(NF4, 0);
    expect(distances).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, -1, 0, -1]);
  });

  it("differ from FP4's by up to 14 ulp", () => {
    expect(ulpsFromMidpoints(FP4, 8)).toEqual([14, 0, -1, -1, 0, -6, -1]);
  });
});

describe("custom8", () => {
  const levels = Array.from({ length: 256 }, (_, i) => i / 255);

  it("keeps the caller's levels, copied", () => {
    const codebook = custom8("mine", levels);
    expect(codebook).toMatchObject({ name: "mine", bits: 8 });
    expect(codebook.levels[255]).toBe(1);
    const source = Float32Array.from(levels);
    expect(custom8("mine", source).levels).not.toBe(source);
  });

  it.each([
    ["255 levels", levels.slice(1)],
    ["a level that is not finite", levels.with(7, Infinity)],
    ["NaN", levels.with(7, NaN)],
    ["descending levels", levels.with(7, 0)],
  ])("refuses %s", (_, bad) => {
    expect(() => custom8("mine", bad)).toThrow(ArgumentError);
  });
});

describe("createFp8Map", () => {
  it("refuses a layout that does not fill 8 bits", () => {
    expect(() => createFp8Map({ signed: true, exponentBits: 5, precisionBits: 3 })).toThrow(
      ArgumentError,
    );
  });
});
