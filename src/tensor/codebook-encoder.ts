/** Encodes the families whose blocks run over the flat tensor: codebooks, and LLM.int8's rows. */

import { floatBytes } from "../foundation/dtype.ts";
import { NonFiniteError } from "../foundation/errors.ts";
import { bf16ToF32, f16ToF32 } from "../foundation/half.ts";
import { elementCountOf } from "../foundation/shape.ts";
import type { Codebook } from "../schemes/codebook.ts";
import { SCHEMES } from "../schemes/registry.ts";
import { codeBytesOf } from "./code-bytes.ts";
import { type Encoded, type EncodeJob, type Encoder, TileSlots, tileBudget } from "./encoder.ts";
import { GrowingArray } from "./growing-array.ts";
import { nestAbsmax, unnestAbsmax } from "./nested-absmax.ts";
import type { CodebookCoding, RowCoding } from "./options.ts";
import { type Decode, type SampledTensor, TileSampler } from "./tile-sampler.ts";
import type { Workspace } from "./workspace.ts";

export interface CodebookJob extends EncodeJob {
  readonly coding: CodebookCoding | RowCoding;
}

export class CodebookEncoder implements Encoder {
  readonly observes = false;
  readonly #workspace: Workspace;
  readonly #job: CodebookJob;
  readonly #elementCount: number;
  /** Elements that share a scale: the block size, or the row length. */
  readonly #blockSize: number;
  readonly #tileElements: number;
  readonly #itemBytes: number;
  /** Blocks of the whole tensor. */
  readonly #blockCount: number;
  readonly #absmax: GrowingArray<Float32Array<ArrayBuffer>>;
  readonly #absmaxPtr: number;
  readonly #slots: TileSlots;
  readonly #sampler: TileSampler | undefined;
  #encoded = 0;

  constructor(workspace: Workspace, job: CodebookJob) {
    const { coding, dtype, shape } = job;
    this.#workspace = workspace;
    this.#job = job;
    this.#elementCount = elementCountOf(shape);
    this.#itemBytes = floatBytes(dtype);
    this.#blockSize = coding.family === "rows" ? Math.max(1, shape[1] ?? 1) : coding.blockSize;
    const wholeBlocks = Math.max(1, Math.floor(tileBudget(dtype) / this.#blockSize));
    this.#tileElements = Math.min(wholeBlocks * this.#blockSize, this.#elementCount);

    this.#blockCount = Math.ceil(this.#elementCount / this.#blockSize);
    this.#absmax = new GrowingArray(
      (length) => new Float32Array(length),
      this.#blockCount,
      job.tensor,
    );
    const tileBlocks = Math.ceil(this.#tileElements / this.#blockSize);
    this.#absmaxPtr = workspace.reserve("absmax", tileBlocks * 4);
    const tileCodeBytes = codeBytesOf(coding.quantType, this.#tileElements);
    this.#slots = new TileSlots(workspace, this.#itemBytes, this.#tileElements, tileCodeBytes);
    this.#sampler =
      job.measureError === true ? new TileSampler(workspace, this.#sampledTensor()) : undefined;
  }

  tileAt(start: number): number {
    return Math.min(this.#tileElements, this.#elementCount - start);
  }

  input(slot: 0 | 1, elementCount: number): Uint8Array<ArrayBuffer> {
    return this.#slots.input(slot, elementCount);
  }

  observe(): void {}

  encode(slot: 0 | 1, elementCount: number): Uint8Array<ArrayBuffer> {
    const { values, codes } = this.#slots.at(slot);
    const badBlock = this.#run(values, codes, elementCount);
    if (badBlock >= 0 && this.#job.allowNonFinite !== true) {
      this.#throwNonFinite(values, badBlock, elementCount);
    }
    const firstBlock = this.#encoded / this.#blockSize;
    const blocks = Math.ceil(elementCount / this.#blockSize);
    this.#absmax.set(this.#workspace.floats(this.#absmaxPtr, blocks), firstBlock);
    this.#sampler?.add(values, codes, elementCount, this.#partBlock + firstBlock);
    this.#encoded += elementCount;
    return this.#workspace.bytes(codes, codeBytesOf(this.#job.coding.quantType, elementCount));
  }

  finish(): Encoded {
    const { coding, nestedOffset } = this.#job;
    const absmax = this.#absmax.values;
    const plainError = () => this.#error((block) => absmax[block] as number);
    if (coding.family === "rows") {
      return { scales: { family: "rows", scb: absmax }, ...plainError() };
    }
    if (!coding.doubleQuant) {
      return { scales: { family: "codebook", absmax }, ...plainError() };
    }
    const { codes, nested } = nestAbsmax(this.#workspace, coding.mode, absmax, nestedOffset);
    const scaleOf = (block: number) => unnestAbsmax(codes, nested, block, block + 1)[0] as number;
    return { scales: { family: "codebook", absmax: codes, nested }, ...this.#error(scaleOf) };
  }

  #error(scaleOf: (block: number) => number): Pick<Encoded, "error" | "sums"> {
    if (this.#sampler === undefined) return {};
    return this.#job.part === undefined
      ? { error: this.#sampler.finish(scaleOf) }
      : { sums: { of: "blocks", ...this.#sampler.sums() } };
  }

  /** The tensor's block that a part begins with. */
  get #partBlock(): number {
    return (this.#job.part?.start ?? 0) / this.#blockSize;
  }

  get #codebook(): Codebook {
    const { coding, code } = this.#job;
    if (code !== undefined) return code;
    return SCHEMES[(coding as CodebookCoding).quantType].codebook();
  }

  /** @returns the first block of the tile that holds NaN or infinity, or −1 */
  #run(valuesPtr: number, codesPtr: number, elementCount: number): number {
    const { coding, dtype } = this.#job;
    const { kernels } = this.#workspace;
    const blockSize = this.#blockSize;
    if (coding.family === "rows") {
      const rows = elementCount / blockSize;
      const places = [valuesPtr, codesPtr, this.#absmaxPtr, rows, blockSize] as const;
      return kernels.quantizeInt8Rows(dtype, ...places);
    }
    const codebook = this.#codebook;
    const kernel = codebook.bits === 8 ? kernels.quantize8 : kernels.quantize4;
    const places = [valuesPtr, codesPtr, this.#absmaxPtr, elementCount, blockSize] as const;
    return kernel.call(kernels, codebook, coding.mode, dtype, ...places);
  }

  #throwNonFinite(valuesPtr: number, block: number, elementCount: number): never {
    const { coding, dtype, tensor, file } = this.#job;
    const start = block * this.#blockSize;
    const count = Math.min(this.#blockSize, elementCount - start);
    const weights = this.#widened(valuesPtr, start, count);
    // LLM.int8 rounds to float16 first: what overflows there is infinity for it.
    const isRows = coding.family === "rows";
    const limit = isRows ? 65520 : Infinity;
    const at = weights.findIndex((w) => !(Math.abs(w) < limit));
    throw new NonFiniteError(
      tensor,
      (this.#job.part?.start ?? 0) + this.#encoded + start + at,
      weights[at] as number,
      isRows && dtype !== "float16",
      file,
    );
  }

  #sampledTensor(): SampledTensor {
    const { coding, dtype } = this.#job;
    const { kernels } = this.#workspace;
    const blockSize = this.#blockSize;
    const whole = this.#job.part?.elementCount ?? this.#elementCount;
    const firstBlock = this.#partBlock;
    const tensor = {
      dtype,
      blockSize,
      blockCount: Math.ceil(whole / blockSize),
      firstBlock,
      endBlock: firstBlock + this.#blockCount,
    };
    if (coding.family === "rows") {
      const decode: Decode = (codesPtr, scalesPtr, valuesPtr, count) => {
        const rows = count / blockSize;
        const places = [codesPtr, scalesPtr, valuesPtr, rows, blockSize] as const;
        kernels.dequantizeInt8Rows("float32", ...places);
      };
      return { ...tensor, codesPerByte: 1, decode };
    }
    const codebook = this.#codebook;
    const decode: Decode = (...places) =>
      codebook.bits === 8
        ? kernels.dequantize8(codebook, "float32", ...places, blockSize)
        : kernels.dequantize4(codebook, "float32", ...places, blockSize);
    return { ...tensor, codesPerByte: codebook.bits === 8 ? 1 : 2, decode };
  }

  #widened(valuesPtr: number, start: number, count: number): Float32Array {
    const at = valuesPtr + start * this.#itemBytes;
    const { buffer } = this.#workspace.kernels;
    const { dtype } = this.#job;
    if (dtype === "float32") return new Float32Array(buffer, at, count);
    const widen = dtype === "bfloat16" ? bf16ToF32 : f16ToF32;
    return Float32Array.from(new Uint16Array(buffer, at, count), widen);
  }
}
