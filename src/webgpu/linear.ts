/** Products with weights that stay compressed on the device, in the device's own f32. */

import { ArgumentError } from "../foundation/errors.ts";
import { elementCountOf } from "../foundation/shape.ts";
import { INVERSE_127 } from "../kernels/reference/int8-rows.ts";
import { type Scheme, schemeOf } from "../schemes/registry.ts";
import { unnestAbsmax } from "../tensor/nested-absmax.ts";
import type { QuantizedAffine, QuantizedTensor } from "../tensor/quantized-tensor.ts";
import { ScaleGrid } from "../tensor/scale-grid.ts";
import { runWords, storedScales } from "./affine.ts";
import type { Gpu } from "./gpu.ts";
import { WebGpuError } from "./outcome.ts";
import { type Scratch, withScratch } from "./scratch.ts";

/** Rows of x that a workgroup multiplies by, as in wgsl/product.wgsl. */
const TILE = 4;

/** What the kernel reads of a record. */
interface Weights {
  readonly grid: ScaleGrid;
  readonly scale: Float32Array;
  readonly zeroPoint: Int32Array;
  readonly levels: Float32Array | undefined;
  readonly highest: number;
}

/** Some rows of the weights, no larger than a binding. */
interface Part {
  readonly rows: number;
  readonly codes: GPUBuffer;
  readonly runs: GPUBuffer;
}

/** Weights [rows, columns] in the device's memory, until `dispose`. */
export class GpuWeights {
  readonly #gpu: Gpu;
  readonly #shape: readonly [number, number];
  readonly #constants: Record<string, number>;
  readonly #tables: readonly GPUBuffer[];
  readonly #parts: readonly Part[];

  private constructor(
    gpu: Gpu,
    shape: readonly [number, number],
    constants: Record<string, number>,
    tables: readonly GPUBuffer[],
    parts: readonly Part[],
  ) {
    this.#gpu = gpu;
    this.#shape = shape;
    this.#constants = constants;
    this.#tables = tables;
    this.#parts = parts;
  }

  /** @throws WebGpuError `unsupported` for a record that the kernel cannot read */
  static upload(gpu: Gpu, record: QuantizedTensor): Promise<GpuWeights> {
    const [rows, columns] = record.shape as readonly [number, number];
    const { bits } = schemeOf(record.quantType);
    const { grid, scale, zeroPoint, levels, highest } = weightsOf(record);
    const { buffer, byteOffset } = record.codes;
    const rowBytes = (columns * bits) / 8;
    const most = Math.floor(gpu.limits.maxStorageBufferBindingSize / rowBytes);
    const rowsAtOnce = Math.min(rows, most, gpu.limits.maxComputeWorkgroupsPerDimension ** 2);
    if (rowsAtOnce < 1)
      throw new WebGpuError("too-large", `a row of ${columns} columns does not fit`);
    return withScratch(gpu, async (scratch) =>
      scratch.step(() => {
        const tables = [scale, zeroPoint, levels ?? new Float32Array(4)].map((data) =>
          scratch.upload(data),
        );
        const parts: Part[] = [];
        for (let row = 0; row < rows; row += rowsAtOnce) {
          const count = Math.min(rowsAtOnce, rows - row);
          const codes = new Uint8Array(buffer, byteOffset + row * rowBytes, count * rowBytes);
          const range = { lowest: 0, highest };
          const words = runWords(count * columns, grid.runsAt(row * columns), range);
          parts.push({
            rows: count,
            codes: scratch.upload(codes),
            runs: scratch.uniform(words),
          });
        }
        for (const { codes, runs } of parts) [codes, runs].map((kept) => scratch.keep(kept));
        for (const table of tables) scratch.keep(table);
        const constants = { BITS: bits, HAS_LEVELS: levels === undefined ? 0 : 1 };
        return new GpuWeights(gpu, [rows, columns], constants, tables, parts);
      }),
    );
  }

  /** y [batch, rows] = x [batch, columns] · Wᵀ. */
  async multiply(x: Float32Array): Promise<Float32Array<ArrayBuffer>> {
    const gpu = this.#gpu;
    const [rows, columns] = this.#shape;
    const batch = x.length / columns;
    const y = new Float32Array(batch * rows);
    const { maxStorageBufferBindingSize: bytes, maxComputeWorkgroupsPerDimension: groups } =
      gpu.limits;
    const tiles = Math.min(groups, Math.floor(bytes / (4 * TILE * Math.max(rows, columns))));
    if (tiles < 1)
      throw new WebGpuError("too-large", `${TILE} rows of x or y do not fit a binding`);
    const pipeline = await gpu.pipeline("product", this.#constants);
    for (let first = 0; first < batch; first += tiles * TILE) {
      const count = Math.min(tiles * TILE, batch - first);
      await withScratch(gpu, async (scratch) => {
        const own = x.subarray(first * columns, (first + count) * columns);
        const outputs = scratch.step(() => this.#dispatch(scratch, pipeline, own, count));
        const found = await scratch.read(...outputs);
        let row = 0;
        for (const [i, part] of this.#parts.entries()) {
          const values = new Float32Array((found[i] as Uint8Array).buffer as ArrayBuffer);
          for (let b = 0; b < count; b++) {
            y.set(values.subarray(b * part.rows, (b + 1) * part.rows), (first + b) * rows + row);
          }
          row += part.rows;
        }
      });
    }
    return y;
  }

  dispose(): void {
    for (const { codes, runs } of this.#parts) [codes, runs].map((buffer) => buffer.destroy());
    for (const table of this.#tables) table.destroy();
  }

  #dispatch(
    scratch: Scratch,
    pipeline: GPUComputePipeline,
    x: Float32Array,
    count: number,
  ): [GPUBuffer, number][] {
    const input = scratch.upload(x);
    return this.#parts.map(({ rows, codes, runs }) => {
      const y = scratch.empty(4 * count * rows);
      const sizes = scratch.uniform([rows, this.#shape[1], count]);
      const layers = Math.ceil(count / TILE);
      const inputs = [runs, codes, ...this.#tables, input, y, sizes];
      scratch.dispatch(pipeline, inputs, rows, { isWorkgroups: true, layers });
      return [y, 4 * count * rows];
    });
  }
}

/** Adds one number a row of the weights, in place. */
export function withBias(y: Float32Array<ArrayBuffer>, bias: Float32Array | undefined) {
  if (bias === undefined) return y;
  for (let i = 0; i < y.length; i++) {
    y[i] = (y[i] as number) + (bias[i % bias.length] as number);
  }
  return y;
}

/** Why the kernel does not read a record, or undefined. */
export function productRefusal(record: QuantizedTensor): string | undefined {
  const [, columns] = record.shape;
  if (columns === undefined || record.shape.length !== 2) {
    throw new ArgumentError("quantized.shape", "[rows, columns]", record.shape);
  }
  const scheme = schemeOf(record.quantType);
  if (scheme.family === "float") return `there is no GPU kernel for ${record.quantType}`;
  const perWord = 32 / scheme.bits;
  const count = elementCountOf(record.shape);
  if (count === 0 || count > 2 ** 31) return `${count} weights are none for one matrix on the GPU`;
  if (columns % perWord !== 0) return `${columns} columns are no multiple of ${perWord}`;
  if ("outlierColumns" in record && record.outlierColumns !== undefined) {
    return "LLM.int8 with columns kept in 16 bits";
  }
  const { runLength } = gridOf(record, scheme);
  if (runLength % perWord !== 0) return `scales of ${runLength} columns, no multiple of ${perWord}`;
  return undefined;
}

function gridOf(record: QuantizedTensor, { family }: Scheme): ScaleGrid {
  if (family === "rows") return new ScaleGrid(record.shape, { granularity: "channel", axis: 0 });
  if (family !== "codebook") return new ScaleGrid(record.shape, record as QuantizedAffine);
  const { blockSize } = record as { readonly blockSize: number };
  return new ScaleGrid([elementCountOf(record.shape)], { granularity: "block", blockSize });
}

function weightsOf(record: QuantizedTensor): Weights {
  const scheme = schemeOf(record.quantType);
  const grid = gridOf(record, scheme);
  const unsigned = { levels: undefined, highest: 2 ** scheme.bits - 1 };
  if (record.quantType === "llm-int8") {
    const scale = record.scb.map((scb) => scb * INVERSE_127);
    return {
      grid,
      scale,
      zeroPoint: new Int32Array(scale.length),
      levels: undefined,
      highest: 127,
    };
  }
  if (scheme.family === "affine") {
    const { highest } = scheme.format;
    return { ...unsigned, grid, highest, ...storedScales(record as QuantizedAffine) };
  }
  if (!("absmax" in record) || scheme.family !== "codebook") {
    throw new WebGpuError("unsupported", `there is no GPU kernel for ${record.quantType}`);
  }
  const nested = "nested" in record ? record.nested : undefined;
  const absmax = record.absmax;
  const scale =
    nested === undefined ? (absmax as Float32Array) : unnestAbsmax(absmax as Uint8Array, nested);
  const levels = "code" in record ? record.code : scheme.codebook().levels;
  return { ...unsigned, grid, scale, zeroPoint: new Int32Array(scale.length), levels };
}
