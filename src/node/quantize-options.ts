/** What the main job is told in Node, beside what it is told anywhere. */

import type { OutputKind, QuantizeJobOptions } from "../checkpoint/quantize-job-options.ts";

export type {
  OutputKind,
  PlannedJob,
  QuantizeModelResult,
} from "../checkpoint/quantize-job-options.ts";

export interface QuantizeModelOptions extends QuantizeJobOptions {
  /** A config.json to use instead of the one beside the model; a stream has none of its own. */
  readonly config?: string;
  /**
   * Threads that compute, for files in and files out; the bytes are the same with any number.
   * @defaultValue 1, which keeps up with `cp` of the same file
   */
  readonly threads?: number;
  /** For a model at an address; see `openModel`. */
  readonly token?: string;
}

/** "-" is standard input or output; a file ends in ".safetensors"; all else is a directory. */
export function outputKindOf(output: string): OutputKind {
  if (output === "-") return "stdout";
  return output.endsWith(".safetensors") ? "file" : "directory";
}
