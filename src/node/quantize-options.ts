/** What the main job is told in Node, beside what it is told anywhere. */

import type { OutputKind, QuantizeJobOptions } from "../checkpoint/quantize-job-options.ts";
import { ArgumentError } from "../foundation/errors.ts";

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
   * @defaultValue the cores, at most 8, for files from 512 MB on; 1 for smaller ones, which are
   * through before threads have started, and for addresses, which come slower than one computes
   */
  readonly threads?: number;
  /** For a model at an address; see `openModel`. */
  readonly token?: string;
  /**
   * Go on where a run that was killed, or that failed with `resume`, has left this output: finished
   * tensors are not done again, and the bytes are those of one run. Where there is none, begin. A run
   * that fails leaves what it has done to be resumed.
   * @defaultValue false
   */
  readonly resume?: boolean;
  /** Write SHA256SUMS into the directory too; `sha256sum -c` reads it. @defaultValue false */
  readonly sha256sums?: boolean;
  /**
   * Bytes of a file after which what is written is made durable, and recorded to be resumed from.
   * @defaultValue 64 MiB
   */
  readonly syncBytes?: number;
  /** Called when a run with `resume` fails, with the folder that holds what it has done. */
  readonly onKept?: (path: string) => void;
  /** Called by a run without `resume` with a folder that an earlier one has left, and that fits. */
  readonly onLeftover?: (path: string) => void;
}

/** "-" is standard input or output; a file ends in ".safetensors"; all else is a directory. */
export function outputKindOf(output: string): OutputKind {
  if (typeof output !== "string") {
    throw new ArgumentError("output", 'a path, or "-" for standard output', output);
  }
  if (output === "-") return "stdout";
  return output.endsWith(".safetensors") ? "file" : "directory";
}
