/** Compressed weights, ready for products. */

import { ArgumentError } from "../foundation/errors.ts";
import type { KernelChoice } from "../kernels/kernel-set.ts";
import type { WeightRows } from "../kernels/linear-kernels.ts";
import type { KernelReport } from "../kernels/select.ts";
import type { QuantType } from "../schemes/registry.ts";
import { checkRecord } from "../tensor/check-record.ts";
import { sharedWorkspace } from "../tensor/default-workspace.ts";
import { oneOf } from "../tensor/options.ts";
import type { QuantizedTensor } from "../tensor/quantized-tensor.ts";
import { type Layout, layoutOf, scalesOf, writeCodes, zeroPointsOf } from "./layout.ts";
import { type Lease, type LinearPool, poolOf } from "./pool.ts";

export interface PrepareOptions {
  /** @defaultValue "auto" */
  readonly kernels?: KernelChoice;
  /** A compiled `quantwise/linear.wasm`, for runtimes that forbid compiling bytes. */
  readonly module?: WebAssembly.Module;
}

/** The weights of LLM.int8 that stayed in 16 bits. */
export interface KeptColumns {
  readonly columns: Int32Array;
  /** float16 bits [rows, columns.length] in kernel memory. */
  readonly weightsPtr: number;
}

/** What products need; the door's users do not see it. */
export interface Prepared {
  readonly lease: Lease;
  readonly rowCount: number;
  readonly columnCount: number;
  readonly kept: KeptColumns | undefined;
  readonly form:
    | { readonly kind: "resident"; readonly layout: Layout; readonly rows: WeightRows }
    | { readonly kind: "decoded"; readonly record: QuantizedTensor; readonly choice: KernelChoice };
}

/** The inside of each handle. */
const prepared = /* @__PURE__ */ new WeakMap<LinearWeights, Prepared>();

/**
 * Weights [rows, columns] that `linear` multiplies by, made by `prepareLinear`.
 *
 * They stay compressed: `byteCount` bytes of kernel memory, until `dispose` or until the handle is
 * garbage.
 */
export class LinearWeights {
  /** [rows, columns]: output and input features. */
  readonly shape: readonly [number, number];
  readonly quantType: QuantType;
  /** Bytes of kernel memory; 0 for weights that each product decodes from the record. */
  readonly byteCount: number;
  /** Which kernels run, and why. */
  readonly kernels: KernelReport;
  readonly #pool: LinearPool;
  readonly #lease: Lease;

  /** @internal `prepareLinear` makes them. */
  constructor(record: QuantizedTensor, pool: LinearPool, inside: Prepared) {
    this.shape = [inside.rowCount, inside.columnCount];
    this.quantType = record.quantType;
    this.byteCount = inside.lease.byteCount;
    this.kernels = inside.lease.memory.report;
    this.#pool = pool;
    this.#lease = inside.lease;
    prepared.set(this, inside);
    whenGarbage()?.register(this, { pool, lease: inside.lease }, this);
  }

  /** Gives the memory back; later products throw. A second call does nothing. */
  dispose(): void {
    if (!prepared.delete(this)) return;
    whenGarbage()?.unregister(this);
    this.#pool.giveBack(this.#lease);
  }
}

interface Held {
  readonly pool: LinearPool;
  readonly lease: Lease;
}

let registry: FinalizationRegistry<Held> | undefined;

/** Undefined where the runtime has no such thing: there, `dispose` is the only way. */
function whenGarbage(): FinalizationRegistry<Held> | undefined {
  if (typeof FinalizationRegistry !== "function") return undefined;
  registry ??= new FinalizationRegistry<Held>(({ pool, lease }) => pool.giveBack(lease));
  return registry;
}

/** @throws ArgumentError when it was disposed of */
export function insideOf(weights: LinearWeights): Prepared {
  const inside = prepared.get(weights);
  if (inside === undefined) {
    throw new ArgumentError("weights", "weights that were not disposed of", "disposed ones");
  }
  return inside;
}

/**
 * Copies a record's compressed weights into kernel memory, for any number of products. The record
 * itself is not needed afterwards, unless `byteCount` is 0.
 *
 * @param record of shape [rows, columns], any quant type
 * @throws ArgumentError for another rank, or parts that do not fit together; UnsupportedError when
 *   memory or the asked kernels are not to be had
 */
export function prepareLinear(
  record: QuantizedTensor,
  options: PrepareOptions = {},
): LinearWeights {
  const { kernels: choice = "auto", module } = options;
  oneOf("kernels", ["auto", "wasm", "reference"], choice);
  checkRecord(record);
  const [rowCount, columnCount] = record.shape;
  if (rowCount === undefined || columnCount === undefined || record.shape.length !== 2) {
    throw new ArgumentError("quantized.shape", "[rows, columns]", record.shape);
  }
  const pool = poolOf(choice, module);
  const layout = layoutOf(record);
  const size = { rowCount, columnCount };
  if (layout === undefined) {
    const { lease, kept } = leaseFor(pool, record, []);
    const form = { kind: "decoded", record, choice } as const;
    return new LinearWeights(record, pool, { lease, ...size, kept, form });
  }
  const scales = scalesOf(record, layout, sharedWorkspace(choice));
  const zeroPoints = zeroPointsOf(record, layout);
  const sizes = [record.codes.byteLength, scales.byteLength, zeroPoints?.byteLength ?? 0];
  const { lease, kept } = leaseFor(pool, record, sizes);
  const { memory, blocks } = lease;
  const [codesPtr, scalePtr, zeroPointPtr] = blocks.map(({ ptr }) => ptr) as [
    number,
    number,
    number,
  ];
  writeCodes(record, memory.bytes(codesPtr, record.codes.byteLength));
  memory.floats(scalePtr, scales.length).set(scales);
  if (zeroPoints !== undefined) {
    new Int16Array(memory.kernels.buffer, zeroPointPtr, zeroPoints.length).set(zeroPoints);
  }
  const places = { codesPtr, scalePtr, zeroPointPtr: zeroPoints === undefined ? 0 : zeroPointPtr };
  const rows = { ...places, ...size, groupLength: layout.groupLength };
  const form = { kind: "resident", layout, rows } as const;
  return new LinearWeights(record, pool, { lease, ...size, kept, form });
}

/** Blocks of these sizes, and one more for columns that LLM.int8 kept. */
function leaseFor(
  pool: LinearPool,
  record: QuantizedTensor,
  sizes: readonly number[],
): { readonly lease: Lease; readonly kept: KeptColumns | undefined } {
  const kept = "outlierWeights" in record ? record.outlierWeights : undefined;
  if (kept === undefined || record.quantType !== "llm-int8" || kept.length === 0) {
    return { lease: pool.lease(sizes), kept: undefined };
  }
  const lease = pool.lease([...sizes, kept.byteLength]);
  const weightsPtr = lease.blocks.at(-1)?.ptr as number;
  new Uint16Array(lease.memory.kernels.buffer, weightsPtr, kept.length).set(kept);
  const columns = record.outlierColumns as Int32Array;
  return { lease, kept: { columns, weightsPtr } };
}
