/** `createQuantizer`: asynchronous quantization on the GPU where that is right, on the host else. */

import { FLOAT_DTYPES } from "../foundation/dtype.ts";
import { ArgumentError } from "../foundation/errors.ts";
import { elementCountOf } from "../foundation/shape.ts";
import type { KernelChoice } from "../kernels/kernel-set.ts";
import { type LinearOptions, linear } from "../linear/linear.ts";
import type { QuantType } from "../schemes/registry.ts";
import { checkRecord } from "../tensor/check-record.ts";
import { sharedWorkspace } from "../tensor/default-workspace.ts";
import { type DequantizeOptions, dequantize } from "../tensor/dequantize.ts";
import { type FloatArray, floatBytesOf, newFloatArray } from "../tensor/float-array.ts";
import { codingOf, oneOf } from "../tensor/options.ts";
import { type QuantizedBy, quantize, refuseInapplicable } from "../tensor/quantize.ts";
import type { QuantizedTensor } from "../tensor/quantized-tensor.ts";
import { type BufferJob, decodeBuffers, encodeBuffers } from "./buffers.ts";
import { type Found, findDevice } from "./device.ts";
import type { Gpu } from "./gpu.ts";
import { GpuWeights, productRefusal, withBias } from "./linear.ts";
import {
  type Crossover,
  DEFAULT_CROSSOVER,
  type GpuQuantizeOptions,
  type LinearLayer,
  type QuantizerOptions,
} from "./options.ts";
import { type RanOn, WebGpuError } from "./outcome.ts";
import { decodeOnGpu, encodeOnGpu, schemeRefusal } from "./records.ts";

export class Quantizer {
  /** What was found, and why it is used or not. */
  readonly ranOn: RanOn;
  readonly #found: Found | undefined;
  readonly #isStrict: boolean;
  readonly #crossover: Crossover;
  readonly #kernels: KernelChoice;

  /** @internal `createQuantizer` makes them. */
  constructor(options: QuantizerOptions, found: Found | undefined) {
    this.#found = found;
    this.#isStrict = options.device === "webgpu";
    this.#crossover = { ...DEFAULT_CROSSOVER, ...options.crossover };
    this.#kernels = options.kernels ?? "auto";
    this.ranOn =
      found?.gpu === undefined
        ? this.#host(found?.outcome ?? "asked-for", found?.reason ?? 'device: "wasm"')
        : { device: "webgpu", reason: found.reason };
  }

  /** The device in use, for buffers of your own; undefined where there is none. */
  get device(): GPUDevice | undefined {
    return this.#gpu?.device;
  }

  /**
   * As `quantize` of `quantwise`: the same record, byte for byte, wherever it runs.
   *
   * @throws as `quantize`; WebGpuError with `device: "webgpu"`
   */
  async quantize<Type extends QuantType = "nf4">(
    weights: FloatArray,
    options: GpuQuantizeOptions & { readonly quantType?: Type } = {},
  ): Promise<{ readonly record: QuantizedBy<Type>; readonly ranOn: RanOn }> {
    const coding = codingOf(options);
    refuseInapplicable(coding, options);
    const input = floatBytesOf(weights, options.dtype, "weights");
    const shape = options.shape ?? [input.elementCount];
    if (elementCountOf(shape) !== input.elementCount) {
      throw new ArgumentError("shape", `dimensions that multiply to ${input.elementCount}`, shape);
    }
    const { result, ranOn } = await this.#run<QuantizedTensor>({
      size: input.elementCount,
      crossover: this.#crossover.quantize,
      refusal: schemeRefusal(coding, input.elementCount),
      onGpu: (gpu) =>
        encodeOnGpu(gpu, sharedWorkspace(this.#kernels), coding, input, shape, options),
      onHost: () => quantize(weights, { ...options, kernels: this.#kernels }),
    });
    return { record: result as QuantizedBy<Type>, ranOn };
  }

  /**
   * As `dequantize` of `quantwise`: the same values, bit for bit, wherever it runs.
   *
   * @throws as `dequantize`; WebGpuError with `device: "webgpu"`
   */
  async dequantize<Out extends FloatArray = Float32Array<ArrayBuffer>>(
    record: QuantizedTensor,
    options: Omit<DequantizeOptions<Out>, "kernels"> = {},
  ): Promise<{ readonly values: Out; readonly ranOn: RanOn }> {
    const elementCount = checkRecord(record);
    if (options.dtype !== undefined) oneOf("dtype", FLOAT_DTYPES, options.dtype);
    const out = options.out ?? newFloatArray(options.dtype ?? "float32", elementCount);
    const target = floatBytesOf(out, options.dtype, "out");
    if (target.elementCount !== elementCount) {
      throw new ArgumentError("out", `${elementCount} elements`, target.elementCount);
    }
    const { ranOn } = await this.#run({
      size: elementCount,
      crossover: this.#crossover.dequantize,
      refusal: schemeRefusal(record, elementCount),
      onGpu: (gpu) => decodeOnGpu(gpu, record, target),
      onHost: () => {
        dequantize(record, { ...options, out, kernels: this.#kernels });
        return true;
      },
    });
    return { values: out as Out, ranOn };
  }

  /**
   * Weights for products. On the GPU sums are f32 in another order than `linear`'s, and the device
   * may flush subnormals: docs/webgpu.md says how far results may lie apart. On the host they have
   * the bits of `linear`.
   *
   * @param record of shape [rows, columns]
   * @throws ArgumentError; WebGpuError with `device: "webgpu"`
   */
  async prepareLinear(record: QuantizedTensor): Promise<LinearLayer> {
    checkRecord(record);
    const refusal = productRefusal(record);
    const shape = record.shape as readonly [number, number];
    const [rows, columns] = shape;
    const held: { weights?: Promise<GpuWeights> } = {};
    const kernels = this.#kernels;
    return {
      shape,
      multiply: async (x, bias) => {
        if (x.length % columns !== 0) {
          throw new ArgumentError("x", `rows of ${columns} elements`, `${x.length} elements`);
        }
        if (bias !== undefined && bias.length !== rows) {
          throw new ArgumentError("bias", `${rows} elements`, `${bias.length} elements`);
        }
        const options: LinearOptions = bias === undefined ? { kernels } : { kernels, bias };
        const { result, ranOn } = await this.#run({
          size: x.length * rows,
          crossover: this.#crossover.linear,
          refusal,
          onGpu: async (gpu) => {
            held.weights ??= GpuWeights.upload(gpu, record);
            const uploading = held.weights;
            // What failed is tried again at the next call.
            uploading.catch(() => delete held.weights);
            return withBias(await (await uploading).multiply(x), bias);
          },
          onHost: () => linear(x, record, options) as Float32Array<ArrayBuffer>,
        });
        return { values: result, ranOn };
      },
      dispose: () => {
        held.weights?.then((weights) => weights.dispose()).catch(() => {});
        delete held.weights;
      },
    };
  }

  /**
   * Codes of weights in a buffer of `device`, mode `torch`, into buffers of it: nothing is copied.
   *
   * @throws ArgumentError; WebGpuError, `non-finite` for NaN or infinity
   */
  async quantizeBuffer(job: BufferJob): Promise<void> {
    await encodeBuffers(this.#demanded(), job);
  }

  /**
   * Weights of codes in buffers of `device`, into a buffer of it.
   *
   * @throws ArgumentError; WebGpuError
   */
  async dequantizeBuffer(job: BufferJob): Promise<void> {
    await decodeBuffers(this.#demanded(), job);
  }

  /** Gives the device back, unless it is the caller's. Later calls run on the host. */
  dispose(): void {
    this.#found?.gpu?.destroy();
  }

  get #gpu(): Gpu | undefined {
    return this.#found?.gpu;
  }

  /** The host cannot stand in where data lies on a device. */
  #demanded(): Gpu {
    const gpu = this.#gpu;
    if (gpu === undefined) {
      throw new WebGpuError(this.ranOn.outcome ?? "no-device", this.ranOn.reason);
    }
    return gpu;
  }

  #host(outcome: RanOn["outcome"] & string, reason: string): RanOn {
    return { device: sharedWorkspace(this.#kernels).report.name, outcome, reason };
  }

  /** The one place that decides where something runs. */
  async #run<Result>(work: {
    readonly size: number;
    readonly crossover: number;
    readonly refusal: string | undefined;
    /** Undefined: NaN or infinity, which are the host's. */
    readonly onGpu: (gpu: Gpu) => Promise<Result | undefined>;
    readonly onHost: () => Result;
  }): Promise<{ result: Result; ranOn: RanOn }> {
    const onHost = (outcome: RanOn["outcome"] & string, reason: string) => {
      const result = work.onHost();
      return { result, ranOn: this.#host(outcome, reason) };
    };
    const gpu = this.#gpu;
    if (gpu === undefined) return onHost(this.ranOn.outcome ?? "no-device", this.ranOn.reason);
    try {
      if (gpu.dead !== undefined) throw gpu.dead;
      if (work.refusal !== undefined) throw new WebGpuError("unsupported", work.refusal);
      if (!this.#isStrict && work.size < work.crossover) {
        return onHost(
          "small",
          `${work.size} is less than ${work.crossover}, from where on auto takes the GPU`,
        );
      }
      const result = await work.onGpu(gpu);
      if (result !== undefined) return { result, ranOn: this.ranOn };
    } catch (cause) {
      if (this.#isStrict || !(cause instanceof WebGpuError)) throw cause;
      return onHost(cause.outcome, cause.reason);
    }
    return onHost("non-finite", "NaN or infinity, which the host's kernels report or code");
  }
}

/**
 * Looks for a GPU that computes as the reference does, and says what it found in `ranOn`.
 *
 * @throws WebGpuError when `device: "webgpu"` is not to be had
 * @example
 * const quantizer = await createQuantizer();
 * const { record, ranOn } = await quantizer.quantize(weights, { shape: [4096, 4096] });
 */
export async function createQuantizer(options: QuantizerOptions = {}): Promise<Quantizer> {
  const { device = "auto", kernels = "auto" } = options;
  oneOf("device", ["auto", "webgpu", "wasm"], device);
  oneOf("kernels", ["auto", "wasm", "reference"], kernels);
  const found = device === "wasm" ? undefined : await findDevice(options);
  if (device === "webgpu" && found !== undefined && found.gpu === undefined) {
    throw new WebGpuError(found.outcome, found.reason);
  }
  return new Quantizer(options, found);
}
