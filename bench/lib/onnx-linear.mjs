// QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear of an ONNX Runtime, one thread.

import { createRequire } from "node:module";
import { encodeModel, ONNX_TYPES } from "./onnx-model.mjs";

/** @typedef {{ shape: number[], blockSize?: number, scales: Float32Array, zeroPoints?: Uint8Array }} Layout */

/** More operators of the same kind in one model: what a run takes longer by is theirs alone. */
export const COPIES = 5;

export const RUNTIMES = {
  "onnxruntime-web": { load: webRuntime, options: {} },
  "onnxruntime-node": {
    load: async () => createRequire(new URL("../peers/", import.meta.url))("onnxruntime-node"),
    options: { intraOpNumThreads: 1, interOpNumThreads: 1 },
  },
};

async function webRuntime() {
  const ort = await import("onnxruntime-web");
  ort.env.wasm.numThreads = 1;
  return ort;
}

/** @returns the runtime, or undefined and why */
export async function loadRuntime(name) {
  const { load, options } = RUNTIMES[name];
  try {
    return { ort: await load(), options, sessions: [] };
  } catch (error) {
    return { problem: error.message.split("\n")[0] };
  }
}

/** A model of one operator, from JavaScript's arrays and back. */
export async function wholeSession(runtime, node, input, output, constants) {
  const model = encodeModel({
    nodes: [{ ...node, inputs: ["x", ...namesOf(constants)], output: outputsOf(node, "y") }],
    inputs: [{ name: "x", ...input }],
    constants,
    output: { name: "y", ...output },
  });
  const session = await newSession(runtime, model);
  return async (data) => {
    const tensor = new runtime.ort.Tensor(input.type, data, input.shape);
    return (await session.run({ x: tensor })).y.data;
  };
}

/**
 * A model of `copies` operators whose results stay inside, so that nothing but the input is copied.
 *
 * @param {object} [stored] the input as a constant, for types that JavaScript cannot give
 */
export async function innerSession(runtime, node, input, constants, copies, stored) {
  const operators = Array.from({ length: copies }, (_, i) => ({
    ...node,
    inputs: ["x", ...namesOf(constants)],
    output: outputsOf(node, `y${i}`),
  }));
  const model = encodeModel({
    nodes: [
      ...operators,
      { operator: "Cast", inputs: ["small"], output: "done", attributes: { to: ONNX_TYPES.int8 } },
    ],
    inputs: stored === undefined ? [{ name: "x", ...input }] : [],
    constants: [
      ...constants,
      ...(stored === undefined ? [] : [{ name: "x", ...input, data: stored }]),
      { name: "small", type: "uint8", shape: [1], data: Uint8Array.of(1) },
    ],
    output: { name: "done", type: "int8", shape: [1] },
  });
  const session = await newSession(runtime, model);
  return (data) => {
    if (stored !== undefined) return session.run({});
    return session.run({ x: new runtime.ort.Tensor(input.type, data, input.shape) });
  };
}

/** QuantizeLinear and DequantizeLinear take scales and zero points; others take none. */
export function constantsOf(type, { shape, blockSize, scales, zeroPoints }) {
  const [rows, columns] = shape;
  const scaleShape = blockSize === undefined ? [] : [rows, columns / blockSize];
  const data = new Uint8Array(scales.buffer, scales.byteOffset, scales.byteLength);
  const scale = { name: "scale", type: "float32", shape: scaleShape, data };
  if (zeroPoints === undefined) return [scale];
  return [scale, { name: "zeroPoint", type, shape: scaleShape, data: zeroPoints }];
}

export function linearNode(operator, type, { blockSize }) {
  const attributes = blockSize === undefined ? {} : { axis: 1, block_size: blockSize };
  const isQuantize = operator === "QuantizeLinear";
  return {
    operator,
    attributes: { ...attributes, ...(isQuantize ? { output_dtype: ONNX_TYPES[type] } : {}) },
  };
}

const namesOf = (constants) => constants.map(({ name }) => name);

function outputsOf({ operator }, name) {
  return operator === "DynamicQuantizeLinear" ? [name, `${name} scale`, `${name} zero`] : name;
}

/** The models that were made, with their memory. */
export async function releaseSessions({ sessions }) {
  for (const session of sessions.splice(0)) await session.release();
}

/** Unoptimized, so that it is the operators that run. */
async function newSession({ ort, options, sessions }, model) {
  const session = await ort.InferenceSession.create(new Uint8Array(model), {
    ...options,
    graphOptimizationLevel: "disabled",
  });
  sessions.push(session);
  return session;
}
