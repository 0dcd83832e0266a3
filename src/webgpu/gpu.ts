/** One device: its pipelines, its limits, and steps that fail with a typed outcome. */

import { type Outcome, WebGpuError, wordsOf } from "./outcome.ts";
import { type Kernel, sourceOf } from "./shaders.ts";

/** GPUBufferUsage: not every runtime has the global. */
const COPY_DST = 8;
const STORAGE = 128;

/** What pieces are cut by; smaller ones than the device's may be asked for. */
export interface GpuLimits {
  /** Bytes of a buffer that a kernel sees. */
  readonly maxStorageBufferBindingSize: number;
  /** Workgroups in each dimension. */
  readonly maxComputeWorkgroupsPerDimension: number;
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
      throw this.typed(cause);
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
      throw this.typed(cause);
    } finally {
      clearTimeout(timer);
    }
  }

  destroy(): void {
    this.#dead ??= new WebGpuError("lost", "the device was given back");
    if (this.#isOwn) this.device.destroy();
  }

  /** Any thrown value as an error with an outcome; deliberate errors as they are. */
  typed(cause: unknown): unknown {
    if (cause instanceof Error && "code" in cause && typeof cause.code === "string") return cause;
    if (this.#dead !== undefined) return this.#dead;
    const outcome: Outcome = cause instanceof RangeError ? "out-of-memory" : "validation";
    return new WebGpuError(outcome, wordsOf(cause), { cause });
  }
}
