/** Codebooks on what fits one tile, without an encoder: for tensors so small that one would cost more. */

import type { Codebook } from "../schemes/codebook.ts";
import { codeBytesOf } from "./code-bytes.ts";
import type { FloatBytes } from "./float-array.ts";
import type { CodebookCoding } from "./options.ts";
import { TILE_BYTES, type Workspace } from "./workspace.ts";

/** Whether `quantizeTile` takes it. */
export function fitsTile(coding: CodebookCoding, { bytes }: FloatBytes): boolean {
  return !coding.doubleQuant && bytes.byteLength <= TILE_BYTES;
}

/**
 * @param codes out: all of them
 * @param absmax out: f32 of every block
 * @returns false when a value is NaN or infinity; then nothing is written
 */
export function quantizeTile(
  workspace: Workspace,
  { quantType, mode, blockSize }: CodebookCoding,
  codebook: Codebook,
  { dtype, bytes, elementCount }: FloatBytes,
  codes: Uint8Array,
  absmax: Float32Array,
): boolean {
  const { kernels } = workspace;
  const codeBytes = codeBytesOf(quantType, elementCount);
  const valuesPtr = workspace.reserve("values 0", bytes.byteLength);
  const codesPtr = workspace.reserve("codes 0", codeBytes);
  const absmaxPtr = workspace.reserve("absmax", 4 * absmax.length);
  workspace.bytes(valuesPtr, bytes.byteLength).set(bytes);
  const bad =
    codebook.bits === 8
      ? kernels.quantize8(
          codebook,
          mode,
          dtype,
          valuesPtr,
          codesPtr,
          absmaxPtr,
          elementCount,
          blockSize,
        )
      : kernels.quantize4(
          codebook,
          mode,
          dtype,
          valuesPtr,
          codesPtr,
          absmaxPtr,
          elementCount,
          blockSize,
        );
  if (bad >= 0) return false;
  codes.set(workspace.bytes(codesPtr, codeBytes));
  absmax.set(workspace.floats(absmaxPtr, absmax.length));
  return true;
}
