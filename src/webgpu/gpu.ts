/** One device: its pipelines, its limits, and steps that fail with a typed outcome. */

import { type Outcome, WebGpuError, wordsOf } from "./outcome.ts";
import { type Kernel, sourceOf } from "./shaders.ts";

/** GPUBufferUsage and GPUMapMode: not every runtime has the globals. */
const MAP_READ = 1;
const COPY_SRC = 4;
const COPY_DST = 8;
const UNIFORM = 64;
const STORAGE = 128;

/** Threads of a workgroup, as in wgsl/grid.wgsl. */
const WORKGROUP = 64;

/** What pieces are cut by; smaller ones than the device's may be asked for. */
export interface GpuLimits {
  /** Bytes of a buffer that a kernel sees. */
  readonly maxStorageBufferBindingSize: number;
  /** Workgroups in each dimension. */
  readonly maxComputeWorkgroupsPerDimension: number;
}

/** A buffer, or a part of it whose offset is a multiple of 256. */
export interface Binding {
  readonly buffer: GPUBuffer;
  readonly offset?: number;
  readonly size?: number;
}

const FILTERS = ["validation", "out-of-memory", "internal"] as const;

export class Gpu {
  readonly device: GPUDevice;
  readonly limits: GpuLimits;
  readonly #timeoutMs: number;
  readonly #isOwn: boolean;
  readonly #pipelines = new Map<string, Promise<GPUComputePipeline>>();
  readonly #lost: Promise<never>;
  #dead: WebGpuError | undefined;

  /** @param isOwn whether the device is ours to destroy */
  constructor(device: GPUDevice, limits: GpuLimits, timeoutMs: number, isOwn: boolean) {
    this.device = device;
    this.limits = limits;
    this.#timeoutMs = timeoutMs;
    this.#isOwn = isOwn;
    this.#lost = device.lost.then(({ reason, message }) => {
      this.#dead ??= new WebGpuError("lost", `the device was lost (${reason}): ${message}`);
      throw this.#dead;
    });
    this.#lost.catch(() => {});
  }

  /** Why the device is of no more use. */
  get dead(): WebGpuError | undefined {
    return this.#dead;
  }

  /** Buffers made inside are destroyed at the end, unless `keep` is called. */
  async scratch<Result>(work: (scratch: Scratch) => Promise<Result>): Promise<Result> {
    const scratch = new Scratch(this);
    try {
      const result = await work(scratch);
      await scratch.settled();
      return result;
    } catch (cause) {
      throw this.#typed(cause);
    } finally {
      scratch.destroy();
    }
  }

  /** Compiled once for each set of constants. @throws WebGpuError */
  pipeline(kernel: Kernel, constants: Record<string, number>): Promise<GPUComputePipeline> {
    const key = `${kernel} ${JSON.stringify(constants)}`;
    let pipeline = this.#pipelines.get(key);
    if (pipeline === undefined) {
      pipeline = this.#compile(kernel, constants);
      this.#pipelines.set(key, pipeline);
    }
    return pipeline;
  }

  async #compile(kernel: Kernel, constants: Record<string, number>): Promise<GPUComputePipeline> {
    const { device } = this;
    const { result: module, errors } = this.step(() =>
      device.createShaderModule({ label: kernel, code: sourceOf(kernel) }),
    );
    const compute = { module, entryPoint: "main", constants };
    const made = device.createComputePipelineAsync({ layout: "auto", compute });
    made.catch(() => {});
    await errors;
    return this.within(made);
  }

  /**
   * Runs synchronous calls of the device.
   *
   * @returns what they gave, and a promise that rejects with what the device reports of them
   */
  step<Result>(build: () => Result): { readonly result: Result; readonly errors: Promise<void> } {
    if (this.#dead !== undefined) throw this.#dead;
    const { device } = this;
    for (const filter of FILTERS) device.pushErrorScope(filter);
    let scopes: Promise<GPUError | null>[] = [];
    try {
      const result = build();
      scopes = FILTERS.map(() => device.popErrorScope());
      const errors = this.#reported(scopes);
      errors.catch(() => {});
      return { result, errors };
    } catch (cause) {
      if (scopes.length === 0) for (const _ of FILTERS) device.popErrorScope().catch(() => {});
      throw this.#typed(cause);
    }
  }

  /** Scopes come from the last that was pushed. */
  async #reported(scopes: readonly Promise<GPUError | null>[]): Promise<void> {
    const errors = await this.within(Promise.all(scopes));
    const at = errors.findIndex((error) => error !== null);
    if (at < 0) return;
    const { message } = errors[at] as GPUError;
    if (FILTERS.at(-1 - at) === "out-of-memory") throw new WebGpuError("out-of-memory", message);
    if (await this.#refusesAll()) {
      this.#dead ??= new WebGpuError("lost", `the device was lost: ${message}`);
      throw this.#dead;
    }
    throw new WebGpuError("validation", message);
  }

  /** So does a lost device, and some implementations report that in no other way. */
  async #refusesAll(): Promise<boolean> {
    const { device } = this;
    device.pushErrorScope("validation");
    const buffer = device.createBuffer({ size: 4, usage: STORAGE | COPY_DST });
    device.queue.writeBuffer(buffer, 0, new Uint32Array(1));
    const error = await this.within(device.popErrorScope());
    buffer.destroy();
    return error !== null;
  }

  /** The watchdog: what takes longer than the time limit ends the device. */
  async within<Result>(work: Promise<Result>): Promise<Result> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const message = `no answer within ${this.#timeoutMs} ms; the device is given up`;
        this.#dead ??= new WebGpuError("timeout", message);
        reject(this.#dead);
        this.destroy();
      }, this.#timeoutMs);
    });
    try {
      return await Promise.race([work, this.#lost, late]);
    } catch (cause) {
      // What a lost device refuses may come before the news that it is lost.
      const news = new Promise((resolve) => setTimeout(resolve, 50));
      if (!(cause instanceof WebGpuError)) await Promise.race([this.#lost, news]).catch(() => {});
      throw this.#typed(cause);
    } finally {
      clearTimeout(timer);
    }
  }

  destroy(): void {
    this.#dead ??= new WebGpuError("lost", "the device was given back");
    if (this.#isOwn) this.device.destroy();
  }

  #typed(cause: unknown): unknown {
    if (cause instanceof Error && "code" in cause && typeof cause.code === "string") return cause;
    if (this.#dead !== undefined) return this.#dead;
    const outcome: Outcome = cause instanceof RangeError ? "out-of-memory" : "validation";
    return new WebGpuError(outcome, wordsOf(cause), { cause });
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
