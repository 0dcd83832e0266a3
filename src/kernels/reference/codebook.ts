/** Blockwise codebook quantization, element by element. */

import type { FloatDtype } from "../../foundation/dtype.ts";
import type { Codebook, QuantMode } from "../../schemes/codebook.ts";
import { blockScale } from "./block-scale.ts";
import { decisionOf } from "./decide.ts";
import { floatView } from "./float-view.ts";

/**
 * absmax[b] and code[i] of every block.
 *
 * @returns the first block that holds NaN or infinity, or −1
 */
export function quantizeBlocks(
  buffer: ArrayBuffer,
  codebook: Codebook,
  mode: QuantMode,
  input: FloatDtype,
  valuesPtr: number,
  codesPtr: number,
  absmaxPtr: number,
  elementCount: number,
  blockSize: number,
): number {
  const values = floatView(buffer, input, valuesPtr);
  const absmaxes = floatView(buffer, "float32", absmaxPtr);
  const codes = new Uint8Array(buffer, codesPtr);
  const decide = decisionOf(codebook, mode);
  const packed = codebook.bits === 4;
  let firstNonFinite = -1;

  for (let start = 0, block = 0; start < elementCount; start += blockSize, block++) {
    const count = Math.min(blockSize, elementCount - start);
    const { absmax, scale, finite } = blockScale(mode, values, start, count, blockSize);
    absmaxes.set(block, absmax);
    if (!finite && firstNonFinite < 0) firstNonFinite = block;

    for (let i = start; i < start + count; i++) {
      const code = decide(scale(values.get(i)));
      if (packed) putNibble(codes, i, code);
      else codes[i] = code;
    }
    // The pad of an odd count is the code of 0, scaled like its block (torch: always a plain 0).
    if (packed && elementCount % 2 === 1 && start + count === elementCount) {
      putNibble(codes, elementCount, decide(mode === "torch" ? 0 : scale(0)));
    }
  }
  return firstNonFinite;
}

/** The even element is the high nibble, and is put first. */
function putNibble(codes: Uint8Array, index: number, code: number): void {
  const at = index >> 1;
  codes[at] = index % 2 === 0 ? code << 4 : (codes[at] as number) | code;
}

/** values[i] = fl(level[code[i]] · absmax[block]), rounded once more to `output`. */
export function dequantizeBlocks(
  buffer: ArrayBuffer,
  codebook: Codebook,
  output: FloatDtype,
  codesPtr: number,
  absmaxPtr: number,
  valuesPtr: number,
  elementCount: number,
  blockSize: number,
): void {
  const values = floatView(buffer, output, valuesPtr);
  const absmaxes = floatView(buffer, "float32", absmaxPtr);
  const codes = new Uint8Array(buffer, codesPtr);
  const { levels, bits } = codebook;
  for (let i = 0; i < elementCount; i++) {
    const code = bits === 8 ? codes[i] : ((codes[i >> 1] as number) >> (i % 2 === 0 ? 4 : 0)) & 15;
    const level = levels[code as number] as number;
    values.set(i, Math.fround(level * absmaxes.get(Math.floor(i / blockSize))));
  }
}
