import { describe, expect, it } from "vitest";
import { type QuantizeOptions, quantize } from "../../src/index.ts";
import { linear, prepareLinear } from "../../src/linear/index.ts";
import { bitsOf, normals } from "./data.ts";
import { naiveLinear } from "./naive.ts";

/** [rows, columns]: whole groups, tails of tiles, odd sizes, blocks across rows. */
const SHAPES: readonly (readonly [number, number])[] = [
  [8, 128],
  [13, 96],
  [5, 1088],
  [3, 64],
  [7, 33],
  [1, 1],
  [2, 4160],
  [9, 50],
  [4, 1152],
];

const OPTIONS: readonly QuantizeOptions[] = [
  { quantType: "nf4", doubleQuant: false },
  { quantType: "nf4", doubleQuant: true },
  { quantType: "nf4", blockSize: 4096 },
  { quantType: "fp4", blockSize: 32 },
  { quantType: "af4", blockSize: 128 },
  { quantType: "int8", granularity: "tensor" },
  { quantType: "int8", granularity: "channel", symmetric: true },
  { quantType: "int8", granularity: "channel", axis: 1 },
  { quantType: "uint8", granularity: "block", blockSize: 64 },
  { quantType: "uint8", granularity: "channel" },
  { quantType: "int4", granularity: "block", blockSize: 32, symmetric: true },
  { quantType: "int4", granularity: "block", blockSize: 96 },
  { quantType: "int4", granularity: "block", blockSize: 40 },
  { quantType: "uint4", granularity: "tensor" },
  { quantType: "uint4", granularity: "block", blockSize: 64, doubleQuant: true },
  { quantType: "llm-int8" },
  { quantType: "llm-int8", threshold: 2.5 },
  { quantType: "llm-int8", outlierColumns: [0] },
  { quantType: "mxfp4" },
  { quantType: "mxfp8" },
  { quantType: "nvfp4" },
  { quantType: "fp8-e4m3", granularity: "channel" },
  { quantType: "dynamic8" },
];

describe.each(OPTIONS.map((options) => [JSON.stringify(options), options] as const))(
  "%s",
  (_, options) => {
    it.each(SHAPES)("%i × %i: the bits of the expanded product, in any batch", (rows, columns) => {
      const shape = [rows, columns];
      const record = quantize(normals(rows * columns, rows + columns), {
        ...options,
        shape,
      } as never);
      const bias = normals(rows, 3);
      for (const batch of [1, 2, 3, 4, 7]) {
        const x = normals(batch * columns, batch);
        const expected = bitsOf(naiveLinear(x, record, bias));
        expect(bitsOf(linear(x, record, { bias, kernels: "wasm" }))).toEqual(expected);
        if (batch > 3) continue;
        expect(bitsOf(linear(x, record, { bias, kernels: "reference" }))).toEqual(expected);
      }
      for (const kernels of ["wasm", "reference"] as const)
        prepareLinear(record, { kernels }).dispose();
    });
  },
);
