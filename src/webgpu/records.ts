/** Records made and expanded on the GPU: what the host's `quantize` and `dequantize` give. */

import { type CodebookScheme, schemeOf } from "../schemes/registry.ts";
import { storageBytes } from "../tensor/code-bytes.ts";
import { codebookOfLevels } from "../tensor/codebooks.ts";
import type { EncodedScales } from "../tensor/encoder.ts";
import type { FloatBytes } from "../tensor/float-array.ts";
import { nestAbsmax, unnestAbsmax } from "../tensor/nested-absmax.ts";
import type { Coding } from "../tensor/options.ts";
import type { QuantizeOptions } from "../tensor/quantize.ts";
import type {
  Quantized4Bit,
  QuantizedAffine,
  QuantizedDynamic8,
  QuantizedTensor,
} from "../tensor/quantized-tensor.ts";
import { recordOf } from "../tensor/record.ts";
import type { Workspace } from "../tensor/workspace.ts";
import { decodeAffine, encodeAffine } from "./affine.ts";
import { decodeBlocks, encodeBlocks } from "./blocks.ts";
import type { Gpu } from "./gpu.ts";

/** Why there is no GPU kernel for a coding, or undefined. */
export function schemeRefusal(
  { quantType, ...more }: Pick<Coding, "quantType">,
  elementCount: number,
): string | undefined {
  const { family } = schemeOf(quantType);
  if (family === "rows" || family === "float") return `there is no GPU kernel for ${quantType}`;
  if ("mode" in more && more.mode === "cuda" && !("codes" in more)) {
    return 'there is no GPU kernel for mode "cuda"';
  }
  if (elementCount === 0) return "there are no weights";
  return elementCount > 2 ** 31 ? `${elementCount} weights are more than 2^31` : undefined;
}

/** @returns undefined when a weight is NaN or infinite */
export async function encodeOnGpu(
  gpu: Gpu,
  workspace: Workspace,
  coding: Coding,
  input: FloatBytes,
  shape: readonly number[],
  { code, nestedOffset }: QuantizeOptions,
): Promise<QuantizedTensor | undefined> {
  const base = { shape: [...shape], dtype: input.dtype, kernels: workspace.report };
  if (coding.family === "affine") {
    const found = await encodeAffine(gpu, workspace, coding, shape, input);
    return found === undefined ? undefined : recordOf(base, coding, found.codes, found.scales);
  }
  if (coding.family !== "codebook") return undefined;
  const { quantType, blockSize, doubleQuant, mode, quantStorage } = coding;
  storageBytes(quantStorage, input.elementCount);
  const isDynamic = quantType === "dynamic8";
  const scheme = schemeOf(quantType) as CodebookScheme;
  const codebook = isDynamic ? codebookOfLevels(code) : scheme.codebook();
  const found = await encodeBlocks(gpu, { codebook, blockSize }, input);
  if (found === undefined) return undefined;
  const { codes, absmax } = found;
  let scales: EncodedScales = { family: "codebook", absmax };
  if (doubleQuant) {
    const offset = nestedOffset === undefined ? undefined : Math.fround(nestedOffset);
    const second = nestAbsmax(workspace, mode, absmax, offset);
    scales = { family: "codebook", absmax: second.codes, nested: second.nested };
  }
  return recordOf(base, coding, codes, scales, isDynamic ? codebook.levels.slice() : undefined);
}

/** @returns true, having filled `target` */
export async function decodeOnGpu(
  gpu: Gpu,
  record: QuantizedTensor,
  target: FloatBytes,
): Promise<true> {
  const scheme = schemeOf(record.quantType);
  if (scheme.family === "affine") {
    await decodeAffine(gpu, record as QuantizedAffine, target);
    return true;
  }
  const { codes, absmax, blockSize, ...more } = record as Quantized4Bit | QuantizedDynamic8;
  const nested = "nested" in more ? more.nested : undefined;
  const scales =
    nested === undefined ? (absmax as Float32Array) : unnestAbsmax(absmax as Uint8Array, nested);
  const own = (scheme as CodebookScheme).codebook();
  const codebook = "code" in more ? { ...own, levels: more.code } : own;
  await decodeBlocks(gpu, { codebook, blockSize }, codes, scales, target);
  return true;
}
