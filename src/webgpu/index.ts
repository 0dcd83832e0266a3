/**
 * `quantwise/webgpu`: quantization on a GPU, byte for byte as on the host; the host where there is no
 * GPU, or where it is not worth it. Every result says where it ran, and why.
 *
 * @example
 * import { createQuantizer } from "quantwise/webgpu";
 * const quantizer = await createQuantizer({ device: "auto" });
 * const { record, ranOn } = await quantizer.quantize(weights, { shape: [4096, 4096] });
 */

export type { BufferJob } from "./buffers.ts";
export type { DeviceOptions } from "./device.ts";
export type { GpuLimits } from "./gpu.ts";
export {
  type Crossover,
  DEFAULT_CROSSOVER,
  type GpuQuantizeOptions,
  type LinearLayer,
  type QuantizerOptions,
} from "./options.ts";
export { type Outcome, type RanOn, WebGpuError } from "./outcome.ts";
export { createQuantizer, type Quantizer } from "./quantizer.ts";
