/** A tensor and a list of options that covers every quant type. */

import { type QuantizedTensor, type QuantizeOptions, quantize } from "../../src/index.ts";
import { normalFloats } from "../checkpoint/safetensors-files.ts";

export const ROWS = 6;
export const COLUMNS = 130;
export const weights = normalFloats(ROWS * COLUMNS, 3);
export const shape = [ROWS, COLUMNS];

export const TYPES: readonly (readonly [name: string, options: QuantizeOptions])[] = [
  ["nf4", { quantType: "nf4", doubleQuant: false }],
  ["nf4, nested", { quantType: "nf4" }],
  ["fp4", { quantType: "fp4", doubleQuant: false, blockSize: 128 }],
  ["fp4, nested", { quantType: "fp4", blockSize: 32 }],
  ["af4", { quantType: "af4", doubleQuant: false }],
  ["af4, nested", { quantType: "af4" }],
  ["nf4, cuda", { quantType: "nf4", mode: "cuda" }],
  ["dynamic8", { quantType: "dynamic8", blockSize: 100 }],
  ["llm-int8", { quantType: "llm-int8" }],
  ["llm-int8, outliers", { quantType: "llm-int8", threshold: 0.05 }],
  ["int8", { quantType: "int8" }],
  ["int8, nested", { quantType: "int8", doubleQuant: true, blockSize: 33 }],
  ["int8, symmetric rows", { quantType: "int8", granularity: "channel", symmetric: true }],
  ["uint8, whole", { quantType: "uint8", granularity: "tensor" }],
  ["int4, nested", { quantType: "int4" }],
  ["int4, symmetric", { quantType: "int4", symmetric: true, doubleQuant: false }],
  ["uint4, columns", { quantType: "uint4", granularity: "channel", axis: 1 }],
  ["mxfp4", { quantType: "mxfp4" }],
  ["mxfp8", { quantType: "mxfp8" }],
  ["mxfp8-e5m2", { quantType: "mxfp8-e5m2" }],
  ["nvfp4", { quantType: "nvfp4" }],
  ["fp8-e4m3", { quantType: "fp8-e4m3" }],
  ["fp8-e5m2, blocks", { quantType: "fp8-e5m2", granularity: "block", blockSize: 47 }],
];

/** Every combination of types, with the fixed shape. */
export function record(options: QuantizeOptions, input = weights): QuantizedTensor {
  return quantize(input, { shape, ...options });
}
