/** The buffers of one piece of work, and what is done with them. */

import type { Gpu } from "./gpu.ts";

/** GPUBufferUsage and GPUMapMode: not every runtime has the globals. */
const MAP_READ = 1;
const COPY_SRC = 4;
const COPY_DST = 8;
const UNIFORM = 64;
const STORAGE = 128;

/** Threads of a workgroup, as in wgsl/grid.wgsl. */
const WORKGROUP = 64;

/** A buffer, or a part of it whose offset is a multiple of 256. */
export interface Binding {
  readonly buffer: GPUBuffer;
  readonly offset?: number;
  readonly size?: number;
}

/** Buffers made inside are destroyed at the end, unless they are kept. @throws WebGpuError */
export async function withScratch<Result>(
  gpu: Gpu,
  work: (scratch: Scratch) => Promise<Result>,
): Promise<Result> {
  const scratch = new Scratch(gpu);
  try {
    const result = await work(scratch);
    await scratch.settled();
    return result;
  } catch (cause) {
    throw gpu.typed(cause);
  } finally {
    scratch.destroy();
  }
}

/** The buffers of one piece of work. */
export class Scratch {
  readonly #gpu: Gpu;
  readonly #buffers: GPUBuffer[] = [];
  #errors: Promise<void>[] = [];

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  /** Runs synchronous calls of the device; `settled` and `read` throw what it reports of them. */
  step<Result>(build: () => Result): Result {
    const { result, errors } = this.#gpu.step(build);
    this.#errors.push(errors);
    return result;
  }

  async settled(): Promise<void> {
    await Promise.all(this.#errors);
    this.#errors = [];
  }

  /** A storage buffer with a copy of `data`, padded with zeros to a whole word. Inside `step`. */
  upload(data: ArrayBufferView): GPUBuffer {
    const { buffer, byteOffset, byteLength } = data;
    const target = this.empty(byteLength);
    const whole = byteLength - (byteLength % 4);
    const { queue } = this.#gpu.device;
    if (whole > 0) queue.writeBuffer(target, 0, buffer as ArrayBuffer, byteOffset, whole);
    if (whole < byteLength) {
      const tail = new Uint8Array(4);
      tail.set(new Uint8Array(buffer, byteOffset + whole, byteLength - whole));
      queue.writeBuffer(target, whole, tail);
    }
    return target;
  }

  /** A storage buffer of zeros. Inside `step`. */
  empty(byteCount: number): GPUBuffer {
    return this.#make(byteCount, STORAGE | COPY_SRC | COPY_DST);
  }

  /** A uniform of 32-bit words. Inside `step`. */
  uniform(words: readonly number[]): GPUBuffer {
    const target = this.#make(32, UNIFORM | COPY_DST);
    this.#gpu.device.queue.writeBuffer(
      target,
      0,
      Int32Array.from(words, (word) => word | 0),
    );
    return target;
  }

  /** Starts a kernel of at least `threads` threads, or of `threads` workgroups. Inside `step`. */
  dispatch(
    pipeline: GPUComputePipeline,
    bindings: readonly (Binding | GPUBuffer)[],
    threads: number,
    { isWorkgroups = false, layers = 1 } = {},
  ): void {
    const { device, limits } = this.#gpu;
    const workgroups = isWorkgroups ? threads : Math.ceil(threads / WORKGROUP);
    const width = Math.min(workgroups, limits.maxComputeWorkgroupsPerDimension);
    const group = device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: bindings.map((given, binding) => {
        const resource = "buffer" in given ? given : { buffer: given };
        return { binding, resource: resource as GPUBufferBinding };
      }),
    });
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(width, Math.ceil(workgroups / width), layers);
    pass.end();
    device.queue.submit([encoder.finish()]);
  }

  /** The first bytes of buffers, as soon as everything before is done. */
  async read(
    ...wanted: readonly (readonly [GPUBuffer, number])[]
  ): Promise<Uint8Array<ArrayBuffer>[]> {
    const gpu = this.#gpu;
    const staged = this.step(() => {
      const encoder = gpu.device.createCommandEncoder();
      const targets = wanted.map(([source, byteCount]) => {
        const size = wordBytes(byteCount);
        const target = this.#make(size, MAP_READ | COPY_DST);
        encoder.copyBufferToBuffer(source, 0, target, 0, size);
        return target;
      });
      gpu.device.queue.submit([encoder.finish()]);
      return targets;
    });
    const mapped = Promise.all(staged.map((target) => target.mapAsync(MAP_READ)));
    mapped.catch(() => {});
    await this.settled();
    await gpu.within(mapped);
    return staged.map((target, i) => {
      const bytes = new Uint8Array(target.getMappedRange().slice(0, wanted[i]?.[1]));
      target.unmap();
      return bytes;
    });
  }

  /** The buffer outlives this work. */
  keep(buffer: GPUBuffer): GPUBuffer {
    this.#buffers.splice(this.#buffers.indexOf(buffer), 1);
    return buffer;
  }

  destroy(): void {
    for (const buffer of this.#buffers) buffer.destroy();
  }

  #make(byteCount: number, usage: number): GPUBuffer {
    const buffer = this.#gpu.device.createBuffer({ size: wordBytes(byteCount), usage });
    this.#buffers.push(buffer);
    return buffer;
  }
}

/** Rounded up to words; never 0. */
function wordBytes(byteCount: number): number {
  return Math.max(4, Math.ceil(byteCount / 4) * 4);
}
