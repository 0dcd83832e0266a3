/** What `diagnose` finds. */

import type { KernelReport } from "../kernels/select.ts";

/** Something that was tried, and what came of it. */
export interface Trial {
  readonly works: boolean;
  /** What happened, in words. */
  readonly reason: string;
}

export interface Diagnosis {
  readonly runtime: {
    readonly name: "node" | "deno" | "bun";
    readonly version: string;
    /** As Node calls them: "linux", "x64". */
    readonly platform: string;
    readonly architecture: string;
  };
  /** What "auto" takes. */
  readonly kernels: KernelReport;
  /** Both builds of the WASM kernels, compiled and self-tested. */
  readonly builds: { readonly relaxed: Trial; readonly baseline: Trial };
  /** A few weights, there and back on these kernels, with the bytes of the reference. */
  readonly quantize: Trial;
  /** Threads that run at once, and whether one was started and worked. */
  readonly threads: { readonly cores: number } & Trial;
  /** Whether the runtime has a GPU to compute on. This version uses none. */
  readonly webgpu: Trial;
  readonly float16Array: boolean;
  readonly memory: {
    readonly totalBytes: number;
    /** Where the process may not have all of it, as in a container. */
    readonly limitBytes: number | null;
  };
  /** Whether the environment has an access token for the Hugging Face Hub. Never the token. */
  readonly hubToken: boolean;
  readonly missing: readonly Missing[];
}

/** Something that is not there. */
export interface Missing {
  readonly what: string;
  readonly lost: string;
  readonly remedy: string;
}
