/** What `inspectModel` is told, and what it tells. */

import type { KernelChoice } from "../kernels/kernel-set.ts";
import type { StatisticsFigures } from "../metrics/statistics.ts";

export interface InspectModelOptions {
  readonly config?: string;
  /** Read all weights and tell how they are spread. @defaultValue false */
  readonly stats?: boolean;
  /** @defaultValue "auto" */
  readonly kernels?: KernelChoice;
  readonly signal?: AbortSignal;
  /** For a model at an address; see `openModel`. */
  readonly token?: string;
  readonly onPlan?: (plan: { readonly tensors: number; readonly bytes: number }) => void;
  readonly onBytes?: (byteCount: number) => void;
}

export interface InspectedTensor {
  readonly name: string;
  readonly file: string;
  readonly shape: readonly number[];
  readonly elements: number;
  /** safetensors dtype of a plain tensor, of a quantized weight the one it had. */
  readonly dtype: string;
  /** "nf4, block 64, double quantized", or a plain tensor's dtype. */
  readonly storedAs: string;
  /** "bitsandbytes", "compressed-tensors" or "native"; absent for a plain tensor. */
  readonly layout?: string;
  /** With everything that is stored for it. */
  readonly bytes: number;
  readonly bitsPerWeight: number;
  /** On request, of floats and quantized weights. */
  readonly statistics?: StatisticsFigures;
}

export interface InspectedModel {
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  readonly tensors: readonly InspectedTensor[];
  /** What was found, largest first. */
  readonly schemes: readonly FoundScheme[];
  readonly elements: number;
  readonly bytes: number;
  readonly bitsPerWeight: number;
  /** The keys of a GGUF file, in order. */
  readonly metadata?: Readonly<Record<string, MetadataValue>>;
}

/** A key's value; of an array its beginning. 64-bit integers that no number holds are text. */
export type MetadataValue =
  | string
  | number
  | boolean
  | {
      readonly elementType: string;
      readonly count: number;
      readonly first: readonly (string | number | boolean)[];
    };

export interface FoundScheme {
  readonly storedAs: string;
  readonly layout?: string;
  readonly tensors: number;
  readonly elements: number;
  readonly bytes: number;
}

/** Sums by scheme, largest first. */
export function schemesOf(tensors: readonly InspectedTensor[]): FoundScheme[] {
  const found = new Map<string, FoundScheme>();
  for (const { storedAs, layout, elements, bytes } of tensors) {
    const key = `${storedAs} ${layout}`;
    const before = found.get(key) ?? { tensors: 0, elements: 0, bytes: 0 };
    found.set(key, {
      storedAs,
      ...(layout === undefined ? {} : { layout }),
      tensors: before.tensors + 1,
      elements: before.elements + elements,
      bytes: before.bytes + bytes,
    });
  }
  return [...found.values()].sort((a, b) => b.bytes - a.bytes);
}
