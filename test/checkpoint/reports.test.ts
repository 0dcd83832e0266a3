/** What a conversion reports of each tensor: sizes, and the error of what it wrote. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type CodingOptions, dequantize } from "../../src/index.ts";
import { quantizeModel } from "../../src/node/index.ts";
import { temporaryFolder } from "../cli/quantwise.ts";
import { nativeParts, recordOf } from "./native-parts.ts";
import { valuesOf } from "./packed-vectors.ts";
import { fileInOrder, type TestTensor, weights } from "./safetensors-files.ts";

const CODINGS: readonly CodingOptions[] = [
  { quantType: "int8" },
  { quantType: "int8", granularity: "tensor" },
  { quantType: "int4" },
  { quantType: "uint4", granularity: "channel", axis: 1 },
  { quantType: "mxfp4" },
  { quantType: "mxfp8" },
  { quantType: "nvfp4" },
  { quantType: "fp8-e4m3" },
  { quantType: "af4" },
  { quantType: "dynamic8" },
];

type Report = Parameters<
  NonNullable<NonNullable<Parameters<typeof quantizeModel>[2]>["onTensor"]>
>[0];

async function reportsOf(tensors: readonly TestTensor[], coding: CodingOptions) {
  const folder = temporaryFolder();
  const [input, output] = [join(folder, "in.safetensors"), join(folder, "out.safetensors")];
  writeFileSync(input, fileInOrder(tensors));
  const reports = new Map<string, Report>();
  const options = { ...coding, format: "native" } as const;
  const result = await quantizeModel(input, output, {
    ...options,
    onTensor: (report) => reports.set(report.name, report),
  });
  return { reports, result };
}

/** Root of Σ(w − w')² / Σw², over the whole tensor. */
function relativeRms(tensor: TestTensor, coding: CodingOptions): number {
  const values = valuesOf(tensor);
  const restored = dequantize(recordOf(tensor, coding));
  let [error, energy] = [0, 0];
  for (const [i, value] of values.entries()) {
    error += (value - (restored[i] as number)) ** 2;
    energy += value ** 2;
  }
  return Math.sqrt(error / energy);
}

describe.each(CODINGS)("%o", (coding) => {
  it("reports the error and the bytes of what was stored", async () => {
    const tensors = [
      weights("layers.0.fc1.weight", [33, 77], "F32", { seed: 1 }),
      weights("layers.0.fc2.weight", [64, 96], "BF16", { seed: 2 }),
      weights("layers.0.norm.weight", [64], "BF16", { seed: 3 }),
    ];
    const { reports, result } = await reportsOf(tensors, coding);
    for (const tensor of tensors.slice(0, 2)) {
      const { error, action, bytesAfter } = reports.get(tensor.name) as Report;
      expect(action).toBe(coding.quantType);
      expect(error?.relativeRms).toBeCloseTo(relativeRms(tensor, coding), 6);
      const elements = tensor.shape.reduce((product, extent) => product * extent, 1);
      expect(error?.sampledElements).toBe(elements);
      const parts = [...nativeParts(tensor.name, recordOf(tensor, coding)).values()];
      expect(bytesAfter).toBe(parts.reduce((sum, [, , bytes]) => sum + bytes.byteLength, 0));
    }
    expect(reports.get("layers.0.norm.weight")).toMatchObject({ action: "copy", bytesAfter: 128 });
    const worst = Math.max(...tensors.slice(0, 2).map((tensor) => relativeRms(tensor, coding)));
    expect(result.totals.worst?.error?.relativeRms).toBeCloseTo(worst, 6);
  });
});

describe("a large tensor", () => {
  it.each([
    { quantType: "int4", blockSize: 33 },
    { quantType: "int8", granularity: "tensor" },
    { quantType: "nvfp4" },
  ] as const)("is looked at in part, and the figure is near the whole: %o", async (coding) => {
    const tensor = weights("layers.0.fc1.weight", [1500, 1499], "F32", { seed: 4 });
    const { reports } = await reportsOf([tensor], coding);
    const { error } = reports.get(tensor.name) as Report;
    expect(error?.sampledElements).toBeLessThan(1500 * 1499);
    expect(error?.sampledElements).toBeGreaterThan(500_000);
    expect((error?.relativeRms ?? 0) / relativeRms(tensor, coding)).toBeCloseTo(1, 1);
  });
});
