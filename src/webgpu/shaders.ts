/** Which files of wgsl/ make a kernel. */

import { WGSL } from "./wgsl.generated.ts";

const PARTS = {
  absmax: ["grid", "float", "load", "absmax"],
  "encode-blocks": ["grid", "float", "load", "encode-blocks"],
  "decode-blocks": ["grid", "float", "store", "decode-blocks"],
  range: ["grid", "float", "load", "runs", "range"],
  "encode-affine": ["grid", "float", "load", "runs", "encode-affine"],
  "decode-affine": ["grid", "float", "store", "runs", "decode-affine"],
  product: ["grid", "runs", "product"],
} as const;

export type Kernel = keyof typeof PARTS;

export function sourceOf(kernel: Kernel): string {
  return PARTS[kernel].map((part) => WGSL[part]).join("\n");
}
