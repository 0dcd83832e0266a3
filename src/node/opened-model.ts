/** A model that was found and opened, wherever it lies. */

import type { ModelConfig } from "../checkpoint/config/model-config.ts";
import type { SafetensorsFile } from "../formats/safetensors/index.ts";

export interface ModelInput {
  readonly kind: "file" | "directory";
  readonly files: readonly SafetensorsFile[];
  readonly config: ModelConfig | undefined;
  /** What lies, or may lie, beside the weights, relative to them. */
  readonly sidecars: readonly string[];
  /** Files that are left behind as other forms of the weights. */
  readonly leftOut: readonly string[];
  /** False: files come from a server that ignores ranges, and can be read from front to back only. */
  readonly hasRanges: boolean;
  /** Writes a sidecar to `target`, which must not exist, and makes it durable. */
  copySidecar(path: string, target: string): Promise<void>;
  close(): Promise<void>;
}
