/** Whole rows of a record, expanded. */

import { elementCountOf } from "../foundation/shape.ts";
import type { Decoder } from "../tensor/decoder.ts";
import { newDecoder } from "../tensor/new-decoder.ts";
import type { QuantizedTensor } from "../tensor/quantized-tensor.ts";
import type { Workspace } from "../tensor/workspace.ts";

export class RowDecoder {
  readonly #decoder: Decoder;
  readonly #codes: Uint8Array;
  readonly #columnCount: number;
  readonly #elementCount: number;

  constructor(workspace: Workspace, record: QuantizedTensor) {
    const { buffer, byteOffset, byteLength } = record.codes;
    this.#decoder = newDecoder(workspace, record, "float32");
    this.#codes = new Uint8Array(buffer, byteOffset, byteLength);
    this.#columnCount = record.shape[1] as number;
    this.#elementCount = elementCountOf(record.shape);
  }

  /** @param target f32, rows `stride` elements apart; what lies between them becomes 0 */
  decode(first: number, count: number, target: Float32Array, stride: number): void {
    const { alignment, tileElements } = this.#decoder;
    const columns = this.#columnCount;
    const begin = first * columns;
    const end = begin + count * columns;
    if (stride > columns) target.fill(0);
    for (let at = Math.floor(begin / alignment) * alignment; at < end; at += tileElements) {
      const whole = Math.ceil((end - at) / alignment) * alignment;
      const pieces = Math.min(tileElements, whole, this.#elementCount - at);
      const range = this.#decoder.codeRange(at, pieces);
      const bytes = this.#decoder.decode(this.#codes.subarray(range.begin, range.end), at, pieces);
      const values = new Float32Array(bytes.buffer, bytes.byteOffset, pieces);
      for (let i = Math.max(at, begin); i < Math.min(at + pieces, end); ) {
        const row = Math.floor(i / columns);
        const rowEnd = Math.min((row + 1) * columns, at + pieces, end);
        target.set(
          values.subarray(i - at, rowEnd - at),
          (row - first) * stride + i - row * columns,
        );
        i = rowEnd;
      }
    }
  }
}
