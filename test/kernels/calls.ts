/** Kernel calls on byte arrays: copies in, runs, copies out, and watches the bytes around outputs. */

import { expect } from "vitest";
import { type FloatDtype, floatBytes } from "../../src/foundation/dtype.ts";
import type { KernelSet } from "../../src/kernels/kernel-set.ts";
import type { Codebook, QuantMode } from "../../src/schemes/codebook.ts";

const CANARY = 0xa5;
const MARGIN = 64;

/** A place in a kernel set's memory, with canaries on both sides. */
export class Slot {
  readonly ptr: number;
  private readonly kernels: KernelSet;
  private readonly canaries: Uint8Array;

  /** @param misalignment  bytes after a multiple of 16 */
  constructor(kernels: KernelSet, capacity: number, misalignment = 0) {
    this.kernels = kernels;
    this.canaries = new Uint8Array(capacity + 2 * MARGIN).fill(CANARY);
    this.ptr = kernels.allocate(capacity + 2 * MARGIN + misalignment) + MARGIN + misalignment;
  }

  private all(): Uint8Array {
    return new Uint8Array(this.kernels.buffer, this.ptr - MARGIN, this.canaries.length);
  }

  write(bytes: Uint8Array): number {
    const all = this.all().fill(CANARY);
    all.set(bytes, MARGIN);
    return this.ptr;
  }

  clear(): number {
    this.all().fill(CANARY);
    return this.ptr;
  }

  /** The first `byteCount` bytes; fails if anything else in the slot was touched. */
  read(byteCount: number): Uint8Array {
    const all = this.all();
    const untouched = (from: number, to: number) =>
      Buffer.compare(all.subarray(from, to), this.canaries.subarray(from, to)) === 0;
    if (!untouched(0, MARGIN) || !untouched(MARGIN + byteCount, all.length)) {
      expect.fail(`wrote outside its ${byteCount} bytes`);
    }
    return all.slice(MARGIN, MARGIN + byteCount);
  }
}

export interface Quantized {
  readonly codes: Uint8Array;
  readonly absmax: Uint8Array;
  readonly nonFinite: number;
}

/** One kernel set with slots for inputs and outputs of up to `capacity` elements. */
export class Harness {
  readonly kernels: KernelSet;
  private readonly input: Slot;
  private readonly output: Slot;
  private readonly statistics: Slot;

  constructor(kernels: KernelSet, capacity: number) {
    this.kernels = kernels;
    this.input = new Slot(kernels, capacity * 4 + 16);
    this.output = new Slot(kernels, capacity * 4 + 16);
    this.statistics = new Slot(kernels, capacity * 4 + 16);
  }

  quantize(
    codebook: Codebook,
    mode: QuantMode,
    dtype: FloatDtype,
    values: Uint8Array,
    blockSize: number,
  ): Quantized {
    const count = values.byteLength / floatBytes(dtype);
    const run = codebook.bits === 4 ? this.kernels.quantize4 : this.kernels.quantize8;
    const nonFinite = run.call(
      this.kernels,
      codebook,
      mode,
      dtype,
      this.input.write(values),
      this.output.clear(),
      this.statistics.clear(),
      count,
      blockSize,
    );
    return {
      codes: this.output.read(codebook.bits === 4 ? Math.ceil(count / 2) : count),
      absmax: this.statistics.read(4 * Math.ceil(count / blockSize)),
      nonFinite,
    };
  }

  dequantize(
    codebook: Codebook,
    dtype: FloatDtype,
    codes: Uint8Array,
    absmax: Uint8Array,
    count: number,
    blockSize: number,
  ): Uint8Array {
    const run = codebook.bits === 4 ? this.kernels.dequantize4 : this.kernels.dequantize8;
    run.call(
      this.kernels,
      codebook,
      dtype,
      this.input.write(codes),
      this.statistics.write(absmax),
      this.output.clear(),
      count,
      blockSize,
    );
    return this.output.read(count * floatBytes(dtype));
  }

  absmax(dtype: FloatDtype, values: Uint8Array, blockSize: number): Uint8Array {
    const count = values.byteLength / floatBytes(dtype);
    this.kernels.absmax(dtype, this.input.write(values), this.statistics.clear(), count, blockSize);
    return this.statistics.read(4 * Math.ceil(count / blockSize));
  }

  quantizeRows(dtype: FloatDtype, values: Uint8Array, rows: number, columns: number): Quantized {
    const nonFinite = this.kernels.quantizeInt8Rows(
      dtype,
      this.input.write(values),
      this.output.clear(),
      this.statistics.clear(),
      rows,
      columns,
    );
    const codes = this.output.read(rows * columns);
    return { codes, absmax: this.statistics.read(4 * rows), nonFinite };
  }

  dequantizeRows(
    dtype: FloatDtype,
    codes: Uint8Array,
    scb: Uint8Array,
    rows: number,
    columns: number,
  ): Uint8Array {
    this.kernels.dequantizeInt8Rows(
      dtype,
      this.input.write(codes),
      this.statistics.write(scb),
      this.output.clear(),
      rows,
      columns,
    );
    return this.output.read(rows * columns * floatBytes(dtype));
  }

  convert(from: FloatDtype, to: FloatDtype, values: Uint8Array): Uint8Array {
    const count = values.byteLength / floatBytes(from);
    this.kernels.convert(from, to, this.input.write(values), this.output.clear(), count);
    return this.output.read(count * floatBytes(to));
  }
}

/** Equal bytes, compared natively (a matcher walks arrays element by element). */
export function sameBytes(actual: Uint8Array, expected: Uint8Array, what: string): void {
  if (Buffer.compare(actual, expected) === 0) return;
  const at = actual.findIndex((byte, i) => byte !== expected[i]);
  expect.fail(`${what}: byte ${at} is ${actual[at]}, expected ${expected[at]}`);
}
