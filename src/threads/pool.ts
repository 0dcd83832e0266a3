/**
 * A pool of threads that encode parts of tensors. Each has kernels and memory of its own, so no
 * cross-origin isolation is needed: buffers are handed over, unless they are shared already.
 */

import type { FilePlace } from "../foundation/byte-source.ts";
import { ArgumentError, UnsupportedError } from "../foundation/errors.ts";
import { checkKernelChoice, type KernelChoice } from "../kernels/kernel-set.ts";
import type { EncodeJob } from "../tensor/encoder.ts";
import { type EncodedPart, handedOver, type PartEncoder } from "../tensor/part-encoder.ts";
import { errorOf } from "./failure.ts";
import type { EncodeReply, EncodeRequest } from "./messages.ts";

/** A worker of any runtime. */
export interface Thread {
  post(request: EncodeRequest, transfer: ArrayBuffer[]): void;
  /** Called once, before the first `post`. */
  listen(onReply: (reply: EncodeReply) => void, onCrash: (reason: unknown) => void): void;
  /** Settles when the thread does nothing any more. */
  terminate(): Promise<void>;
}

interface Waiting {
  readonly request: EncodeRequest;
  resolve(part: EncodedPart): void;
  reject(error: unknown): void;
}

/** More is a slip: each thread takes some MB and a core. */
const MAX_THREADS = 1024;

export class ThreadPool implements PartEncoder {
  readonly size: number;
  readonly kernels: KernelChoice;
  readonly #threads: Thread[] = [];
  readonly #idle: Thread[] = [];
  readonly #queue: Waiting[] = [];
  readonly #running = new Map<number, Waiting>();
  /** Threads that have answered: a test can see that more than one did. */
  readonly #active = new Set<Thread>();
  #nextId = 0;
  /** Why nothing more is taken, and when all threads are gone. */
  #end: { readonly reason: unknown; readonly ended: Promise<void> } | undefined;

  /**
   * @param size threads, 1 to 1024
   * @param spawn starts one
   */
  constructor(size: number, spawn: () => Thread, kernels: KernelChoice = "auto") {
    if (!Number.isSafeInteger(size) || size < 1 || size > MAX_THREADS) {
      throw new ArgumentError("threads", `a whole number from 1 to ${MAX_THREADS}`, size);
    }
    checkKernelChoice(kernels);
    this.size = size;
    this.kernels = kernels;
    for (let i = 0; i < size; i++) {
      const thread = spawn();
      thread.listen(
        (reply) => this.#onReply(thread, reply),
        (reason) => void this.close(crash(reason)),
      );
      this.#threads.push(thread);
      this.#idle.push(thread);
    }
  }

  /** Number of threads that have done something. */
  get active(): number {
    return this.#active.size;
  }

  encode(
    job: EncodeJob,
    weights: Uint8Array | FilePlace,
    codes?: Uint8Array,
  ): Promise<EncodedPart> {
    if (this.#end !== undefined) return Promise.reject(this.#end.reason);
    const request = { id: this.#nextId++, kernels: this.kernels, job, weights, codes };
    return new Promise((resolve, reject) => {
      this.#queue.push({ request, resolve, reject });
      this.#dispatch();
    });
  }

  /**
   * Ends all threads; what is still under way is rejected with `reason`, as soon as no thread works
   * on it any more.
   */
  close(reason: unknown = new UnsupportedError("the thread pool is closed")): Promise<void> {
    this.#end ??= { reason, ended: this.#terminate(reason) };
    return this.#end.ended;
  }

  async #terminate(reason: unknown): Promise<void> {
    const left = [...this.#running.values(), ...this.#queue];
    this.#running.clear();
    this.#queue.length = 0;
    await Promise.allSettled(this.#threads.map((thread) => thread.terminate()));
    for (const { reject } of left) reject(reason);
  }

  #dispatch(): void {
    while (this.#queue.length > 0 && this.#idle.length > 0) {
      const waiting = this.#queue.shift() as Waiting;
      const thread = this.#idle.shift() as Thread;
      this.#running.set(waiting.request.id, waiting);
      const { weights, codes } = waiting.request;
      thread.post(waiting.request, handedOver([weights, codes]));
    }
  }

  #onReply(thread: Thread, reply: EncodeReply): void {
    const waiting = this.#running.get(reply.id);
    this.#running.delete(reply.id);
    this.#active.add(thread);
    this.#idle.push(thread);
    if (waiting !== undefined) {
      if ("part" in reply) waiting.resolve(reply.part);
      else waiting.reject(errorOf(reply.failure));
    }
    if (this.#end === undefined) this.#dispatch();
  }
}

function crash(reason: unknown): UnsupportedError {
  const message = reason instanceof Error ? reason.message : String(reason);
  const remedy = "use fewer threads, or --threads 1 (threads: 1), which works in this one";
  return new UnsupportedError(`a worker thread died: ${message}; ${remedy}`, { cause: reason });
}
