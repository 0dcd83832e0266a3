/** QuantizeLinear and DequantizeLinear of ONNX Runtime, as WebAssembly in one thread. */

import * as ort from "onnxruntime-web";
import { encodeModel, ONNX_TYPES, type OnnxModel, type OnnxTensor } from "./onnx-model.ts";

ort.env.wasm.numThreads = 1;

/** How a tensor is cut: along `axis`, in blocks where there is a block size. */
export interface Cut {
  readonly axis: number;
  readonly blockSize?: number;
}

export type CodeType = "int8" | "uint8" | "int4" | "uint4";

/** A scale or zero point for the whole tensor, for each index of the axis, or for each block. */
export interface Parameters {
  readonly shape: readonly number[];
  readonly scales: Float32Array;
  /** In ONNX's layout; none: all are 0. */
  readonly zeroPoints: Uint8Array | undefined;
}

/** Codes as one byte each. */
export async function quantizeLinear(
  type: CodeType,
  shape: readonly number[],
  values: Float32Array,
  parameters: Parameters,
  cut: Cut,
): Promise<Uint8Array> {
  // The JavaScript side knows no 4-bit output: they leave as 8-bit ones.
  const wide = type === "int4" || type === "int8" ? "int8" : "uint8";
  const constants = constantsOf(type, parameters);
  const bytes = await run(
    {
      nodes: [
        {
          operator: "QuantizeLinear",
          inputs: ["x", ...constants.map(({ name }) => name)],
          output: "codes",
          attributes: { ...attributesOf(cut), output_dtype: ONNX_TYPES[type] },
        },
        {
          operator: "Cast",
          inputs: ["codes"],
          output: "y",
          attributes: { to: ONNX_TYPES[wide] },
        },
      ],
      inputs: [{ name: "x", type: "float32", shape }],
      constants,
      output: { name: "y", type: wide, shape },
    },
    { x: new ort.Tensor("float32", values, [...shape]) },
  );
  return bytes;
}

/** @param codes  in ONNX's layout */
export function dequantizeLinear(
  type: CodeType,
  shape: readonly number[],
  codes: Uint8Array,
  parameters: Parameters,
  cut: Cut,
): Promise<Uint8Array> {
  const constants = constantsOf(type, parameters);
  return run(
    {
      nodes: [
        {
          operator: "DequantizeLinear",
          inputs: ["x", ...constants.map(({ name }) => name)],
          output: "y",
          attributes: attributesOf(cut),
        },
      ],
      inputs: [],
      constants: [{ name: "x", type, shape, data: codes }, ...constants],
      output: { name: "y", type: "float32", shape },
    },
    {},
  );
}

function constantsOf(type: CodeType, { shape, scales, zeroPoints }: Parameters): OnnxTensor[] {
  const data = new Uint8Array(scales.slice().buffer);
  const scale = { name: "scale", type: "float32", shape, data } as const;
  if (zeroPoints === undefined) return [scale];
  return [scale, { name: "zeroPoint", type, shape, data: zeroPoints }];
}

const attributesOf = ({ axis, blockSize }: Cut) => ({
  axis,
  ...(blockSize === undefined ? {} : { block_size: blockSize }),
});

/** The bytes of `y`. */
async function run(model: OnnxModel, feeds: Record<string, ort.Tensor>): Promise<Uint8Array> {
  // Unoptimized, so that it is the operator that runs, whether or not its input is constant.
  const session = await ort.InferenceSession.create(encodeModel(model), {
    graphOptimizationLevel: "disabled",
  });
  const { y } = await session.run(feeds);
  const { buffer, byteOffset, byteLength } = (y as ort.Tensor).data as Int8Array;
  const bytes = new Uint8Array(buffer, byteOffset, byteLength).slice();
  await session.release();
  return bytes;
}
