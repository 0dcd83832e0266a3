/** From the runtime's WebGPU to a device that has proved that it computes. */

import { Gpu, type GpuLimits } from "./gpu.ts";
import { type Outcome, WebGpuError, wordsOf } from "./outcome.ts";
import { selfTest } from "./self-test.ts";

export interface DeviceOptions {
  /** The caller's device, which the quantizer never destroys. Its own limits hold. */
  readonly gpuDevice?: GPUDevice;
  /** Where adapters come from. @defaultValue navigator.gpu */
  readonly gpu?: GPU;
  /** Take an adapter that computes on the CPU: for tests. @defaultValue false */
  readonly allowFallbackAdapter?: boolean;
  readonly powerPreference?: GPUPowerPreference;
  /** Milliseconds after which an operation, and the device with it, is given up. @defaultValue 30000 */
  readonly timeoutMs?: number;
  /** Smaller limits than the device has, for tests and for shared devices. */
  readonly limits?: Partial<GpuLimits>;
}

/** A device, or why there is none. */
export type Found =
  | { readonly gpu: Gpu; readonly adapter: string; readonly reason: string }
  | { readonly gpu?: undefined; readonly outcome: Outcome; readonly reason: string };

/** Limits that are asked for as high as the adapter has them. */
const WANTED = ["maxBufferSize", "maxStorageBufferBindingSize"] as const;

/** Never throws: what is wrong is an outcome. */
export async function findDevice(options: DeviceOptions): Promise<Found> {
  let gpu: Gpu | undefined;
  try {
    const { device, adapter, isOwn } = await deviceOf(options);
    const { maxStorageBufferBindingSize: binding, maxBufferSize: buffer } = device.limits;
    const { maxComputeWorkgroupsPerDimension: workgroups } = device.limits;
    const { limits = {}, timeoutMs = 30_000 } = options;
    const own = {
      maxStorageBufferBindingSize: Math.min(
        binding,
        buffer,
        limits.maxStorageBufferBindingSize ?? binding,
      ),
      maxComputeWorkgroupsPerDimension: Math.min(
        workgroups,
        limits.maxComputeWorkgroupsPerDimension ?? workgroups,
      ),
    };
    gpu = new Gpu(device, own, timeoutMs, isOwn);
    const wrong = await selfTest(gpu);
    if (wrong !== undefined) throw new WebGpuError("self-test-failed", wrong);
    return { gpu, adapter, reason: `${adapter}: self-tested` };
  } catch (cause) {
    gpu?.destroy();
    if (cause instanceof WebGpuError) return { outcome: cause.outcome, reason: cause.reason };
    return { outcome: "no-device", reason: wordsOf(cause) };
  }
}

async function deviceOf(options: DeviceOptions) {
  const { gpuDevice } = options;
  if (gpuDevice !== undefined) {
    return { device: gpuDevice, adapter: "the given device", isOwn: false };
  }
  const gpu = options.gpu ?? (globalThis.navigator as { gpu?: GPU } | undefined)?.gpu;
  if (gpu === undefined) throw new WebGpuError("no-webgpu", "this runtime has no navigator.gpu");
  const { powerPreference = "high-performance" } = options;
  const adapter = await gpu.requestAdapter({ powerPreference });
  if (adapter === null) throw new WebGpuError("no-adapter", "the runtime gives no adapter");
  const name = nameOf(adapter);
  if (isFallback(adapter) && options.allowFallbackAdapter !== true) {
    const message = `${name} computes on the CPU, where the WASM kernels are faster; allowFallbackAdapter takes it`;
    throw new WebGpuError("fallback-adapter", message);
  }
  const requiredLimits = Object.fromEntries(WANTED.map((name) => [name, adapter.limits[name]]));
  const device = await adapter.requestDevice({ requiredLimits });
  return { device, adapter: name, isOwn: true };
}

/** Some runtimes have no such flag; their software adapters are known by name. */
function isFallback(adapter: GPUAdapter): boolean {
  const old = adapter as { isFallbackAdapter?: boolean };
  const { isFallbackAdapter } = adapter.info;
  return (
    isFallbackAdapter === true ||
    old.isFallbackAdapter === true ||
    /swiftshader|llvmpipe|lavapipe|software|basic render/i.test(nameOf(adapter))
  );
}

function nameOf({ info }: GPUAdapter): string {
  const words = [info.vendor, info.architecture, info.device, info.description];
  const name = [...new Set(words)].filter((word) => word !== undefined && word !== "").join(" ");
  return name === "" ? "an adapter without a name" : name;
}
