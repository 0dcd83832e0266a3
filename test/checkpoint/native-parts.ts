/** A record's parts as docs/native-format.md names and stores them; files of them, read back. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  QuantizeSafetensorsStream,
  type QuantizeStreamOptions,
} from "../../src/checkpoint/quantize-stream.ts";
import {
  type FloatDtype,
  type QuantizedTensor,
  type QuantizeOptions,
  quantize,
} from "../../src/index.ts";
import { type QuantizeModelOptions, quantizeModel } from "../../src/node/index.ts";
import { temporaryFolder } from "../cli/quantwise.ts";
import { type ReadFile, readFile, type TestTensor } from "./safetensors-files.ts";
import { collect, sourceOf } from "./streams.ts";

const DTYPES: Readonly<Record<string, FloatDtype>> = {
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
};

/** What `quantize` makes of a stored tensor. */
export function recordOf(tensor: TestTensor, options: QuantizeOptions): QuantizedTensor {
  const { buffer } = tensor.bytes.slice();
  const dtype = DTYPES[tensor.dtype] as FloatDtype;
  const weights = dtype === "float32" ? new Float32Array(buffer) : new Uint16Array(buffer);
  return quantize(weights, { shape: tensor.shape, ...options, dtype });
}

/** name → [dtype, shape, bytes] of the stored tensors of a weight. */
export type Parts = Map<string, readonly [dtype: string, shape: readonly number[], Uint8Array]>;

/** The stored form of a record. `scaleShape` is that of affine and block float scales. */
export function nativeParts(name: string, record: QuantizedTensor): Parts {
  const parts: Parts = new Map();
  const put = (suffix: string, dtype: string, shape: readonly number[], array: ArrayBufferView) => {
    const bytes = new Uint8Array(array.buffer as ArrayBuffer, array.byteOffset, array.byteLength);
    parts.set(name + suffix, [dtype, shape, bytes]);
  };
  const { quantType, shape, codes } = record;
  const is4Bit = /4$/.test(quantType);
  const codesDtype =
    quantType === "int8" || quantType === "llm-int8"
      ? "I8"
      : /^(mxfp8|fp8-e4m3)$/.test(quantType)
        ? "F8_E4M3"
        : quantType.endsWith("e5m2")
          ? "F8_E5M2"
          : "U8";
  put("", codesDtype, is4Bit ? [codes.length] : shape, codes);
  if ("scb" in record) put(".scb", "F32", [shape[0] as number], record.scb);
  if ("absmax" in record) {
    const nested = "nested" in record ? record.nested : undefined;
    put(".absmax", nested === undefined ? "F32" : "U8", [record.absmax.length], record.absmax);
    if (nested !== undefined) {
      put(".nested_absmax", "F32", [nested.absmax.length], nested.absmax);
      put(".nested_offset", "F32", [], Float32Array.of(nested.offset));
    }
  }
  if (!("scale" in record)) return parts;
  const { scale, granularity, axis = 0, blockSize = 1 } = record;
  const scaleShape =
    granularity === "tensor"
      ? []
      : granularity === "channel"
        ? [shape.at(axis) as number]
        : [...shape.slice(0, -1), Math.ceil((shape.at(-1) ?? 1) / blockSize)];
  const isE4m3 = quantType === "nvfp4";
  const scaleDtype = scale instanceof Float32Array ? "F32" : isE4m3 ? "F8_E4M3" : "U8";
  put(".scale", scaleDtype, scaleShape, scale);
  if ("zeroPoint" in record && record.zeroPoint !== undefined) {
    const { zeroPoint } = record;
    const dtype = zeroPoint instanceof Float32Array ? "F32" : zeroPoint instanceof Int8Array;
    put(".zero_point", dtype === true ? "I8" : dtype || "U8", scaleShape, zeroPoint);
  }
  if ("nested" in record && record.nested !== undefined) {
    const { ranges } = record.nested;
    put(".nested_scale", "F32", [ranges.length / 2, 2], ranges);
  }
  if ("tensorScale" in record && record.tensorScale !== undefined) {
    put(".tensor_scale", "F32", [], Float32Array.of(record.tensorScale));
  }
  return parts;
}

/** Quantizes a file into another one with `quantizeModel`. */
export async function toFile(
  bytes: Uint8Array,
  options: QuantizeModelOptions,
): Promise<{ readonly file: ReadFile; readonly bytes: Uint8Array; readonly worst: unknown }> {
  const folder = temporaryFolder();
  const [input, output] = [join(folder, "model.safetensors"), join(folder, "out.safetensors")];
  writeFileSync(input, bytes);
  const { totals } = await quantizeModel(input, output, options);
  const written = readFileSync(output);
  return { file: readFile(written), bytes: written, worst: totals.worst };
}

/** Quantizes a file as it flows by. */
export async function toStream(
  bytes: Uint8Array,
  options: QuantizeStreamOptions,
  chunkBytes = 50_000,
): Promise<ReadFile> {
  const stream = new QuantizeSafetensorsStream(options);
  return readFile(await collect(sourceOf(bytes, chunkBytes).stream.pipeThrough(stream)));
}

interface Metadata {
  readonly version: number;
  readonly codings: readonly QuantizeOptions[];
  readonly tensors: Readonly<
    Record<
      string,
      { readonly coding: number; readonly dtype: FloatDtype; readonly shape: number[] }
    >
  >;
}

/** The JSON that a native file carries in its header. */
export function metadataOf({ metadata }: ReadFile): Metadata {
  return JSON.parse(metadata?.quantwise ?? "null");
}
