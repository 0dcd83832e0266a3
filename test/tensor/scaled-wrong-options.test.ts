/** Options of affine integers and block floats that mean nothing: told by name, with what is allowed. */

import { describe, expect, it } from "vitest";
import { ArgumentError, type QuantizeOptions, quantize } from "../../src/index.ts";
import { normalFloats } from "../checkpoint/safetensors-files.ts";
import { KERNELS } from "./scaled-records.ts";

const weights = normalFloats(256, 1);
const shape = [4, 64];

type Wrong = readonly [argument: string, options: Record<string, unknown>, message: string];

const int8 = { quantType: "int8" };
const tensor = { granularity: "tensor" };
const channel = { granularity: "channel" };

const WRONG: readonly Wrong[] = [
  ["blockSize", { ...int8, blockSize: 31 }, "a whole number from 32 to 4096, received 31"],
  ["blockSize", { ...int8, blockSize: 4097 }, "a whole number from 32 to 4096, received 4097"],
  ["blockSize", { ...int8, blockSize: 0 }, "from 32 to 4096, received 0"],
  ["blockSize", { ...int8, blockSize: -64 }, "from 32 to 4096, received -64"],
  ["blockSize", { ...int8, blockSize: 64.5 }, "from 32 to 4096, received 64.5"],
  ["blockSize", { ...int8, blockSize: NaN }, "from 32 to 4096, received NaN"],
  ["blockSize", { ...int8, blockSize: "64" }, 'from 32 to 4096, received "64"'],
  ["blockSize", { ...int8, ...tensor, blockSize: 64 }, 'none for granularity "tensor"'],
  ["blockSize", { ...int8, ...channel, blockSize: 64 }, 'none for granularity "channel"'],
  ["blockSize", { quantType: "fp8-e4m3", blockSize: 64 }, 'none for granularity "tensor"'],
  ["blockSize", { quantType: "mxfp4", blockSize: 64 }, "32 for mxfp4, received 64"],
  ["blockSize", { quantType: "mxfp8-e5m2", blockSize: 16 }, "32 for mxfp8-e5m2, received 16"],
  ["blockSize", { quantType: "nvfp4", blockSize: 32 }, "16 for nvfp4, received 32"],
  ["granularity", { ...int8, granularity: "row" }, '"tensor" or "channel" or "block"'],
  ["granularity", { quantType: "mxfp8", ...tensor }, '"block" for mxfp8, received "tensor"'],
  ["granularity", { quantType: "nvfp4", ...channel }, '"block" for nvfp4, received "channel"'],
  ["granularity", { quantType: "nf4", granularity: "block" }, "none for nf4"],
  ["axis", { ...int8, axis: 0 }, 'none for granularity "block", received 0'],
  ["axis", { ...int8, ...tensor, axis: 1 }, 'none for granularity "tensor", received 1'],
  ["axis", { ...int8, ...channel, axis: 2 }, "-2 to 1, received 2"],
  ["axis", { ...int8, ...channel, axis: -3 }, "-2 to 1, received -3"],
  ["axis", { ...int8, ...channel, axis: 0.5 }, "a whole number, received 0.5"],
  ["axis", { ...int8, ...channel, axis: NaN }, "a whole number, received NaN"],
  ["axis", { quantType: "af4", axis: 0 }, "none for af4"],
  ["symmetric", { quantType: "uint8", symmetric: true }, "false for uint8; int8 and int4 have it"],
  ["symmetric", { ...int8, symmetric: "yes" }, 'true or false, received "yes"'],
  ["symmetric", { ...int8, symmetric: 1 }, "true or false, received 1"],
  ["doubleQuant", { ...int8, doubleQuant: null }, "true or false, received null"],
  ["symmetric", { quantType: "mxfp4", symmetric: true }, "false for mxfp4"],
  ["doubleQuant", { ...int8, ...tensor, doubleQuant: true }, 'false for granularity "tensor"'],
  ["doubleQuant", { ...int8, ...channel, doubleQuant: true }, 'false for granularity "channel"'],
  ["doubleQuant", { quantType: "nvfp4", doubleQuant: true }, "false for nvfp4"],
  ["mode", { ...int8, mode: "cuda" }, '"torch" for int8, received "cuda"'],
  ["mode", { quantType: "mxfp4", mode: "cuda" }, '"torch" for mxfp4'],
  ["quantStorage", { ...int8, quantStorage: "float16" }, '"uint8" for int8'],
  ["threshold", { ...int8, threshold: 6 }, "none for int8"],
  ["code", { quantType: "fp8-e4m3", code: new Float32Array(256) }, "none for fp8-e4m3"],
  ["nestedOffset", { quantType: "int4", nestedOffset: 0.5 }, "none without"],
  ["dtype", { ...int8, dtype: "float16" }, '"float32" for a Float32Array'],
  ["shape", { ...int8, shape: [4, 63] }, "dimensions that multiply to 256, received [4, 63]"],
  ["shape", { ...int8, shape: [-4, -64] }, "whole dimensions ≥ 0"],
  ["shape", { quantType: "nvfp4", shape: [2, 2, 65] }, "multiply to 256"],
];

describe("a wrong option", () => {
  it.each(WRONG)("%s: %o", (argument, options, message) => {
    for (const kernels of KERNELS) {
      const act = () => quantize(weights, { shape, kernels, ...options } as QuantizeOptions);
      expect(act).toThrow(ArgumentError);
      expect(act).toThrow(expect.objectContaining({ code: "ARGUMENT", argument }));
      expect(act).toThrow(message);
    }
  });

  it("is an axis of a scalar", () => {
    const options = { quantType: "int8", granularity: "channel", shape: [] } as const;
    const act = () => quantize(Float32Array.of(1), options);
    expect(act).toThrow(/axis: expected none for a scalar, received 0/);
  });
});

describe("an option that asks for what there is anyway", () => {
  it.each([
    [{ quantType: "mxfp4", blockSize: 32, granularity: "block" }],
    [{ quantType: "nvfp4", blockSize: 16, doubleQuant: false }],
    [{ quantType: "uint8", symmetric: false }],
    [{ quantType: "int8", granularity: "channel", axis: -2 }],
    [{ quantType: "int4", granularity: "tensor", doubleQuant: false }],
    [{ quantType: "fp8-e5m2", mode: "torch", quantStorage: "uint8", symmetric: false }],
  ] as const)("is taken: %o", (options) => {
    expect(quantize(weights, { shape, ...(options as QuantizeOptions) }).quantType).toBe(
      options.quantType,
    );
  });
});

describe("the defaults", () => {
  it.each([
    ["int8", { granularity: "block", blockSize: 64, symmetric: false }, false],
    ["uint8", { granularity: "block", blockSize: 64, symmetric: false }, false],
    ["int4", { granularity: "block", blockSize: 64, symmetric: false }, true],
    ["uint4", { granularity: "block", blockSize: 64, symmetric: false }, true],
    ["mxfp4", { granularity: "block", blockSize: 32 }, false],
    ["mxfp8", { granularity: "block", blockSize: 32 }, false],
    ["mxfp8-e5m2", { granularity: "block", blockSize: 32 }, false],
    ["nvfp4", { granularity: "block", blockSize: 16 }, false],
    ["fp8-e4m3", { granularity: "tensor" }, false],
    ["fp8-e5m2", { granularity: "tensor" }, false],
  ] as const)("of %s are %o, nested scales: %s", (quantType, expected, isNested) => {
    const record = quantize(weights, { quantType, shape });
    expect(record).toMatchObject({ quantType, shape, dtype: "float32", ...expected });
    expect("nested" in record).toBe(isNested);
    expect("axis" in record).toBe(false);
  });

  it("of channels are axis 0", () => {
    const record = quantize(weights, { quantType: "int8", granularity: "channel", shape });
    expect(record).toMatchObject({ granularity: "channel", axis: 0 });
    expect(record.scale).toHaveLength(4);
    expect("blockSize" in record).toBe(false);
  });
});
