/** A model that was found and opened, wherever it lies. */

import type { SafetensorsFile } from "../formats/safetensors/index.ts";
import type { ByteSource } from "../foundation/byte-source.ts";
import type { ModelConfig } from "./config/model-config.ts";

/** A file beside the weights, which its reader closes. */
export interface SidecarSource extends ByteSource {
  close(): Promise<void>;
}

export interface OpenedModel {
  readonly kind: "file" | "directory";
  readonly files: readonly SafetensorsFile[];
  readonly config: ModelConfig | undefined;
  /** What lies, or may lie, beside the weights, relative to them. */
  readonly sidecars: readonly string[];
  /** Files that are left behind as other forms of the weights. */
  readonly leftOut: readonly string[];
  /** False: files come from a server that ignores ranges, and can be read from front to back only. */
  readonly hasRanges: boolean;
  /** Opens a sidecar; undefined when a server, which cannot be asked for a list, does not have it. */
  openSidecar(path: string): Promise<SidecarSource | undefined>;
  close(): Promise<void>;
}
