/** Small ONNX models, encoded by hand: a few protobuf fields are all that it takes. */

import { Buffer } from "node:buffer";

/** Numbers of `TensorProto.DataType`. */
export const ONNX_TYPES = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint4: 21,
  int4: 22,
} as const;

export type OnnxType = keyof typeof ONNX_TYPES;

/** A tensor; data in ONNX's own layout, two 4-bit numbers to a byte. */
export interface OnnxTensor {
  readonly name: string;
  readonly type: OnnxType;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

export type OnnxValue = Omit<OnnxTensor, "data">;

export interface OnnxNode {
  readonly operator: string;
  /** @defaultValue ONNX's own; of others, the first version */
  readonly domain?: string;
  readonly inputs: readonly string[];
  /** A name for each output, where there are more than one. */
  readonly output: string | readonly string[];
  readonly attributes?: Readonly<Record<string, number>>;
}

export interface OnnxModel {
  readonly nodes: readonly OnnxNode[];
  /** Given at run time. */
  readonly inputs: readonly OnnxValue[];
  /** Stored in the model. */
  readonly constants: readonly OnnxTensor[];
  readonly output: OnnxValue;
}

/** A model of opset 21, the first that knows 4-bit integers and blocks. */
export function encodeModel({ nodes, inputs, constants, output }: OnnxModel): Buffer {
  const graph = message(
    ...nodes.map((node) => field(1, encodeNode(node))),
    text(2, "graph"),
    ...constants.map((constant) => field(5, encodeTensor(constant))),
    ...inputs.map((input) => field(11, encodeValue(input))),
    field(12, encodeValue(output)),
  );
  const domains = new Set(
    nodes.map(({ domain }) => domain).filter((domain) => domain !== undefined),
  );
  return message(
    integer(1, 10),
    field(7, graph),
    field(8, message(text(1, ""), integer(2, 21))),
    ...[...domains].map((domain) => field(8, message(text(1, domain), integer(2, 1)))),
  );
}

function encodeNode({ operator, domain, inputs, output, attributes = {} }: OnnxNode): Buffer {
  return message(
    ...inputs.map((name) => text(1, name)),
    ...[output].flat().map((name) => text(2, name)),
    text(4, operator),
    ...Object.entries(attributes).map(([name, value]) =>
      field(5, message(text(1, name), integer(3, value), integer(20, 2))),
    ),
    ...(domain === undefined ? [] : [text(7, domain)]),
  );
}

function encodeTensor({ name, type, shape, data }: OnnxTensor): Buffer {
  const dims = shape.map((length) => integer(1, length));
  return message(...dims, integer(2, ONNX_TYPES[type]), text(8, name), field(9, data));
}

function encodeValue({ name, type, shape }: OnnxValue): Buffer {
  const dims = shape.map((length) => field(1, integer(1, length)));
  const tensor = message(integer(1, ONNX_TYPES[type]), field(2, message(...dims)));
  return message(text(1, name), field(2, field(1, tensor)));
}

const message = (...fields: readonly Buffer[]) => Buffer.concat(fields);

/** Wire type 0. */
function integer(number: number, value: number): Buffer {
  return message(varint(number << 3), varint(value));
}

/** Wire type 2. */
function field(number: number, bytes: Uint8Array): Buffer {
  return message(varint((number << 3) | 2), varint(bytes.length), Buffer.from(bytes));
}

function text(number: number, value: string): Buffer {
  return field(number, Buffer.from(value));
}

/** Seven bits a byte, the lowest first; for numbers from 0 to 2^31 − 1. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}
