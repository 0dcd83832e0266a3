/** Affine integers on the GPU; scales come from the host's own coder. */

import { floatBytes } from "../foundation/dtype.ts";
import type { ScaleRuns } from "../kernels/kernel-set.ts";
import type { AffineFormat } from "../schemes/affine.ts";
import { type AffineScheme, schemeOf } from "../schemes/registry.ts";
import { AffineScaleCoder, NestedScaleCoder } from "../tensor/affine-scale-coders.ts";
import type { EncodedScales } from "../tensor/encoder.ts";
import type { FloatBytes } from "../tensor/float-array.ts";
import { unnestScales } from "../tensor/nested-scale.ts";
import type { AffineCoding } from "../tensor/options.ts";
import type { QuantizedAffine } from "../tensor/quantized-tensor.ts";
import { ScaleGrid } from "../tensor/scale-grid.ts";
import type { Workspace } from "../tensor/workspace.ts";
import { NONE } from "./blocks.ts";
import type { Gpu } from "./gpu.ts";
import { dtypeConstant, piecesOf } from "./pieces.ts";
import { type Scratch, withScratch } from "./scratch.ts";

/** Elements of a thread in wgsl/range.wgsl. */
const STRETCH = 32;

/** @returns codes as they are stored, and scales; undefined when a weight is NaN or infinite */
export async function encodeAffine(
  gpu: Gpu,
  workspace: Workspace,
  coding: AffineCoding,
  shape: readonly number[],
  input: FloatBytes,
): Promise<{ codes: Uint8Array<ArrayBuffer>; scales: EncodedScales } | undefined> {
  const { format } = schemeOf(coding.quantType) as AffineScheme;
  const { bytes, dtype, elementCount } = input;
  const grid = new ScaleGrid(shape, coding);
  const itemBytes = floatBytes(dtype);
  const pieces = piecesOf(gpu.limits, elementCount, rules(itemBytes));
  const valuesOf = (scratch: Scratch, start: number, count: number) =>
    scratch.upload(bytes.subarray(start * itemBytes, (start + count) * itemBytes));
  const constants = { DTYPE: dtypeConstant(dtype) };

  return withScratch(gpu, async (shared) => {
    const measure = await gpu.pipeline("range", constants);
    const { ranges, status } = shared.step(() => ({
      ranges: shared.empty(8 * grid.scaleCount),
      status: shared.upload(Uint32Array.of(NONE)),
    }));
    for (const { start, count } of pieces) {
      await withScratch(gpu, async (scratch) =>
        scratch.step(() => {
          const runs = scratch.uniform(runWords(count, grid.runsAt(start), format));
          const inputs = [runs, valuesOf(scratch, start, count), ranges, status];
          scratch.dispatch(measure, inputs, Math.ceil(count / STRETCH));
        }),
      );
    }
    const [found, bad] = await shared.read([ranges, 8 * grid.scaleCount], [status, 4]);
    if (new Uint32Array((bad as Uint8Array).buffer)[0] !== NONE) return undefined;
    const keys = new Int32Array((found as Uint8Array).buffer as ArrayBuffer);
    const { scales, scale, zeroPoint } = codeScales(workspace, coding, format, grid, keys);

    const encode = await gpu.pipeline("encode-affine", { ...constants, BITS: format.bits });
    const places = shared.step(() => [shared.upload(scale), shared.upload(zeroPoint)] as const);
    const codes = new Uint8Array(Math.ceil((elementCount * format.bits) / 8));
    for (const { start, count } of pieces) {
      await withScratch(gpu, async (scratch) => {
        const codeBytes = Math.ceil((count * format.bits) / 8);
        const target = scratch.step(() => {
          const runs = scratch.uniform(runWords(count, grid.runsAt(start), format));
          const out = scratch.empty(codeBytes);
          const inputs = [runs, valuesOf(scratch, start, count), ...places, out];
          scratch.dispatch(encode, inputs, Math.ceil(codeBytes / 4));
          return out;
        });
        const [own] = await scratch.read([target, codeBytes]);
        codes.set(own as Uint8Array, (start * format.bits) / 8);
      });
    }
    return { codes, scales };
  });
}

/** Expands a whole tensor into `target`. */
export async function decodeAffine(
  gpu: Gpu,
  record: QuantizedAffine,
  target: FloatBytes,
): Promise<void> {
  const { format } = schemeOf(record.quantType) as AffineScheme;
  const { dtype, elementCount } = target;
  const grid = new ScaleGrid(record.shape, record);
  const { scale, zeroPoint } = storedScales(record);
  const codes = new Uint8Array(
    record.codes.buffer,
    record.codes.byteOffset,
    record.codes.byteLength,
  );
  const itemBytes = floatBytes(dtype);
  await withScratch(gpu, async (shared) => {
    const constants = { DTYPE: dtypeConstant(dtype), BITS: format.bits };
    const decode = await gpu.pipeline("decode-affine", constants);
    const places = shared.step(() => [shared.upload(scale), shared.upload(zeroPoint)] as const);
    for (const { start, count } of piecesOf(gpu.limits, elementCount, rules(itemBytes))) {
      await withScratch(gpu, async (scratch) => {
        const from = (start * format.bits) / 8;
        const codeBytes = Math.ceil((count * format.bits) / 8);
        const values = scratch.step(() => {
          const runs = scratch.uniform(runWords(count, grid.runsAt(start), format));
          const out = scratch.empty(count * itemBytes);
          const own = scratch.upload(codes.subarray(from, from + codeBytes));
          scratch.dispatch(decode, [runs, own, ...places, out], Math.ceil((count * itemBytes) / 4));
          return out;
        });
        const [bytes] = await scratch.read([values, count * itemBytes]);
        target.bytes.set(bytes as Uint8Array, start * itemBytes);
      });
    }
  });
}

/** f32 scales and whole zero points, as decoding takes them. */
export function storedScales(record: QuantizedAffine): {
  readonly scale: Float32Array;
  readonly zeroPoint: Int32Array;
} {
  const { nested, zeroPoint } = record;
  let scale = record.scale as Float32Array;
  if (nested !== undefined) {
    const codes = record.scale as Uint8Array;
    scale = new Float32Array(codes.length);
    unnestScales(codes, nested, 0, scale);
  }
  const zeros = new Int32Array(scale.length);
  return { scale, zeroPoint: zeroPoint === undefined ? zeros : Int32Array.from(zeroPoint) };
}

/** Words of `Runs` in wgsl/runs.wgsl. */
export function runWords(
  count: number,
  { rowLength, runLength, startColumn, firstScale, scaleCount }: ScaleRuns,
  { lowest, highest }: Pick<AffineFormat, "lowest" | "highest">,
): number[] {
  return [count, rowLength, runLength, startColumn, firstScale, scaleCount, lowest, highest];
}

const rules = (itemBytes: number) => ({
  unit: 8,
  bytesPerElement: itemBytes,
  elementsPerWorkgroup: 64,
});

/** The scales of ranges that are known. */
function codeScales(
  workspace: Workspace,
  { symmetric, doubleQuant }: AffineCoding,
  format: AffineFormat,
  { scaleCount }: ScaleGrid,
  keys: Int32Array,
) {
  const Coder = doubleQuant ? NestedScaleCoder : AffineScaleCoder;
  const coder = new Coder(workspace, format, symmetric, scaleCount, undefined);
  const reserve = (name: string) => workspace.reserve(name, Math.max(1, scaleCount) * 4);
  const places = {
    min: reserve("min"),
    max: reserve("max"),
    scale: reserve("scale"),
    zeroPoint: symmetric ? 0 : reserve("zero point"),
  };
  const bits = (ptr: number) => new Uint32Array(workspace.kernels.buffer, ptr, scaleCount);
  const [mins, maxes] = [bits(places.min), bits(places.max)];
  for (let s = 0; s < scaleCount; s++) {
    const lowest = keys[2 * s] as number;
    mins[s] = lowest < 0 ? 0x80000000 - lowest : 0;
    maxes[s] = keys[2 * s + 1] as number;
  }
  coder.code(places, 0, scaleCount);
  const scale = workspace.floats(places.scale, scaleCount).slice();
  const zeroPoint = symmetric
    ? new Int32Array(scaleCount)
    : Int32Array.from(workspace.floats(places.zeroPoint, scaleCount));
  return { scales: coder.finish(), scale, zeroPoint };
}
