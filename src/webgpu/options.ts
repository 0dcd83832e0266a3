/** What a quantizer is asked for. */

import type { KernelChoice } from "../kernels/kernel-set.ts";
import type { QuantizeOptions } from "../tensor/quantize.ts";
import type { DeviceOptions } from "./device.ts";
import type { RanOn } from "./outcome.ts";

/** Elements from which `auto` takes the GPU. */
export interface Crossover {
  /** Weights to quantize. */
  readonly quantize: number;
  /** Weights to dequantize. */
  readonly dequantize: number;
  /** Products: batch · rows · columns. */
  readonly linear: number;
}

/**
 * What is fewer is faster where it lies: the way to the GPU and back takes a tenth of a millisecond
 * and more. Chosen, not measured: no hardware GPU has run the tests.
 */
export const DEFAULT_CROSSOVER: Crossover = {
  quantize: 2 ** 22,
  dequantize: 2 ** 22,
  linear: 2 ** 24,
};

export interface QuantizerOptions extends DeviceOptions {
  /**
   * "auto": the GPU for what it is worth it, the host for everything else and after any failure.
   * "webgpu": the GPU for everything it can do, or `WebGpuError`. "wasm": the host. @defaultValue "auto"
   */
  readonly device?: "auto" | "webgpu" | "wasm";
  /** @defaultValue DEFAULT_CROSSOVER; no matter with "webgpu" */
  readonly crossover?: Partial<Crossover>;
  /** The host's kernels. @defaultValue "auto" */
  readonly kernels?: KernelChoice;
}

export type GpuQuantizeOptions = Omit<QuantizeOptions, "out" | "kernels">;

/** A matrix to multiply by, on the device that `ranOn` of the products names. */
export interface LinearLayer {
  /** [rows, columns]. */
  readonly shape: readonly [number, number];
  /**
   * y = x · Wᵀ + bias.
   *
   * @param x [batch, columns] @param bias one number a row of the weights
   */
  multiply(
    x: Float32Array,
    bias?: Float32Array,
  ): Promise<{ readonly values: Float32Array<ArrayBuffer>; readonly ranOn: RanOn }>;
  /** Gives the device's memory back. */
  dispose(): void;
}
