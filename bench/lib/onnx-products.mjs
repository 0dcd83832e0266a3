// ONNX Runtime Web's products with 4-bit weights, one thread.

import * as ort from "onnxruntime-web";
import { encodeModel } from "./onnx-model.mjs";

ort.env.wasm.numThreads = 1;

/**
 * MatMulBnb4: NF4 codes as bitsandbytes packs them, an f32 absmax a block.
 *
 * @returns a function from activations [batch, columns] to a promise of the products
 */
export function matMulBnb4(record, blockSize) {
  const [rows, columns] = record.shape;
  const attributes = { K: columns, N: rows, block_size: blockSize, quant_type: 1 };
  const scales = { name: "scales", shape: [record.absmax.length], data: bytesOf(record.absmax) };
  const codes = { name: "codes", type: "uint8", shape: [record.codes.length], data: record.codes };
  return product("MatMulBnb4", attributes, codes, scales, rows, columns);
}

/** MatMulNBits: symmetric INT4 with a scale a block of a row; its zero point is 8. */
export function matMulNBits(record, blockSize) {
  const [rows, columns] = record.shape;
  const attributes = { K: columns, N: rows, bits: 4, block_size: blockSize };
  const blocks = columns / blockSize;
  const scales = { name: "scales", shape: [rows * blocks], data: bytesOf(record.scale) };
  const shape = [rows, blocks, blockSize / 2];
  const data = record.codes.map((byte) => byte ^ 0x88);
  return product(
    "MatMulNBits",
    attributes,
    { name: "codes", type: "uint8", shape, data },
    scales,
    rows,
    columns,
  );
}

function product(operator, attributes, codes, scales, rows, columns) {
  const modelOf = (batch) =>
    encodeModel({
      nodes: [
        {
          operator,
          domain: "com.microsoft",
          inputs: ["x", "codes", "scales"],
          output: "y",
          attributes,
        },
      ],
      inputs: [{ name: "x", type: "float32", shape: [batch, columns] }],
      constants: [codes, { ...scales, type: "float32" }],
      output: { name: "y", type: "float32", shape: [batch, rows] },
    });
  const sessions = new Map();
  return async (x) => {
    const batch = x.length / columns;
    if (!sessions.has(batch)) {
      sessions.set(batch, await ort.InferenceSession.create(new Uint8Array(modelOf(batch))));
    }
    const feeds = { x: new ort.Tensor("float32", x, [batch, columns]) };
    return (await sessions.get(batch).run(feeds)).y.data;
  };
}

const bytesOf = ({ buffer, byteOffset, byteLength }) =>
  new Uint8Array(buffer, byteOffset, byteLength);
