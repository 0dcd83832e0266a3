import { describe, expect, it } from "vitest";
import { WebGpuError } from "../../src/webgpu/outcome.ts";
import { blockUnit, piecesOf } from "../../src/webgpu/pieces.ts";

const limits = { maxStorageBufferBindingSize: 1030, maxComputeWorkgroupsPerDimension: 65_535 };
const rules = { unit: 32, bytesPerElement: 4, elementsPerWorkgroup: 64 };

describe("pieces", () => {
  it("are one where everything fits", () => {
    expect(piecesOf(limits, 257, rules)).toEqual([{ start: 0, count: 257 }]);
  });

  it("are multiples of the unit, but for the last", () => {
    expect(piecesOf(limits, 300, rules)).toEqual([
      { start: 0, count: 256 },
      { start: 256, count: 44 },
    ]);
  });

  it("are as small as the grid of workgroups", () => {
    const narrow = { ...limits, maxComputeWorkgroupsPerDimension: 1 };
    expect(piecesOf(narrow, 130, rules).map(({ count }) => count)).toEqual([64, 64, 2]);
  });

  it("are none without elements", () => {
    expect(piecesOf(limits, 0, rules)).toEqual([]);
  });

  it("are refused where not even a unit fits", () => {
    const call = () => piecesOf(limits, 5000, { ...rules, unit: 512 });
    expect(call).toThrow(WebGpuError);
    expect(call).toThrow(
      "pieces of 512 elements (2048 bytes) do not fit: a binding holds 1028 bytes",
    );
  });

  it("end where a word of codes does, whatever the block", () => {
    expect([7, 12, 32, 1].map(blockUnit)).toEqual([56, 24, 32, 8]);
  });
});
