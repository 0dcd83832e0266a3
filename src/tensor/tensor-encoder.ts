/**
 * Quantizes one tensor tile by tile: the part that `quantize`, files and streams share. Memory is
 * two tiles plus the tensor's absmax.
 */

import { type FloatDtype, floatBytes } from "../foundation/dtype.ts";
import { NonFiniteError, quoted, UnsupportedError } from "../foundation/errors.ts";
import { bf16ToF32, f16ToF32 } from "../foundation/half.ts";
import type { QuantizationError } from "../metrics/quantization-error.ts";
import type { Codebook } from "../schemes/codebook.ts";
import { dynamic8 } from "../schemes/dynamic8.ts";
import { codebookOf } from "./codebooks.ts";
import { nestAbsmax, unnestAbsmax } from "./nested-absmax.ts";
import { type Coding, packedBytes } from "./options.ts";
import type { NestedAbsmax } from "./quantized-tensor.ts";
import { type Decode, type SampledTensor, TileSampler } from "./tile-sampler.ts";
import { TILE_BYTES, type Workspace } from "./workspace.ts";

export interface EncodeJob extends Coding {
  readonly dtype: FloatDtype;
  readonly elementCount: number;
  /** Elements of a row; llm-int8 only. */
  readonly columnCount?: number;
  /** The tensor's name in errors. */
  readonly tensor?: string | undefined;
  /** The file's name in errors. */
  readonly file?: string | undefined;
  /** Let NaN and infinity through (their blocks decode to NaN). @defaultValue false */
  readonly allowNonFinite?: boolean | undefined;
  /** Replaces the mean of the absmax in double quantization. */
  readonly nestedOffset?: number | undefined;
  /** The map of dynamic8. */
  readonly code?: Codebook | undefined;
  /** Look at the error while encoding. */
  readonly measureError?: boolean | undefined;
}

/** What is known when the last tile is through. */
export interface EncodedScales {
  /** First-level absmax, its 8-bit codes when `nested` is present, or llm-int8's SCB. */
  readonly absmax: Float32Array | Uint8Array;
  readonly nested?: NestedAbsmax;
  readonly error?: QuantizationError;
}

/** Blocks whose absmax is given room at once: 4 MiB. */
const FIRST_BLOCKS = 1 << 20;

export class TensorEncoder {
  /** Elements of a full tile; only a tensor's last tile may be shorter. */
  readonly tileElements: number;
  readonly #workspace: Workspace;
  readonly #job: EncodeJob;
  /** Elements that share a scale: the block size, or the row length. */
  readonly #blockSize: number;
  readonly #itemBytes: number;
  /** Blocks of the whole tensor. */
  readonly #blockCount: number;
  /** Grows with the tiles: a header can claim any size, its data is what counts. */
  #absmax: Float32Array<ArrayBuffer>;
  readonly #absmaxPtr: number;
  readonly #slots: readonly { readonly values: number; readonly codes: number }[];
  readonly #sampler: TileSampler | undefined;
  #encoded = 0;

  constructor(workspace: Workspace, job: EncodeJob) {
    this.#workspace = workspace;
    this.#job = job;
    this.#itemBytes = floatBytes(job.dtype);
    this.#blockSize =
      job.quantType === "llm-int8" ? Math.max(1, job.columnCount ?? 1) : job.blockSize;
    const wholeBlocks = Math.max(1, Math.floor(TILE_BYTES / this.#itemBytes / this.#blockSize));
    this.tileElements = Math.min(wholeBlocks * this.#blockSize, job.elementCount);

    this.#blockCount = Math.ceil(job.elementCount / this.#blockSize);
    this.#absmax = new Float32Array(Math.min(this.#blockCount, FIRST_BLOCKS));
    const tileBlocks = Math.ceil(this.tileElements / this.#blockSize);
    this.#absmaxPtr = workspace.reserve("absmax", tileBlocks * 4);
    this.#slots = ["0", "1"].map((slot) => ({
      values: workspace.reserve(`values ${slot}`, this.tileElements * this.#itemBytes),
      codes: workspace.reserve(`codes ${slot}`, this.#codeBytes(this.tileElements)),
    }));
    this.#sampler =
      job.measureError === true ? new TileSampler(workspace, this.#sampledTensor()) : undefined;
  }

  /** Where a tile's weights go before `encode`: kernel memory, to read a file straight into. */
  input(slot: 0 | 1, elementCount: number): Uint8Array<ArrayBuffer> {
    return this.#workspace.bytes(this.#slot(slot).values, elementCount * this.#itemBytes);
  }

  /**
   * Encodes the tile in `slot`.
   *
   * @returns its codes: a view that lives until the slot's next `encode`
   * @throws NonFiniteError with the element's index in the tensor
   */
  encode(slot: 0 | 1, elementCount: number): Uint8Array<ArrayBuffer> {
    const { values, codes } = this.#slot(slot);
    const badBlock = this.#run(values, codes, elementCount);
    if (badBlock >= 0 && this.#job.allowNonFinite !== true) {
      this.#throwNonFinite(values, badBlock, elementCount);
    }
    const firstBlock = this.#encoded / this.#blockSize;
    const blocks = Math.ceil(elementCount / this.#blockSize);
    this.#makeRoom(firstBlock + blocks);
    this.#absmax.set(this.#workspace.floats(this.#absmaxPtr, blocks), firstBlock);
    this.#sampler?.add(values, codes, elementCount, firstBlock);
    this.#encoded += elementCount;
    return this.#workspace.bytes(codes, this.#codeBytes(elementCount));
  }

  /** Call once, after the last tile. */
  finish(): EncodedScales {
    const { doubleQuant, mode, nestedOffset } = this.#job;
    if (!doubleQuant) {
      return { absmax: this.#absmax, ...this.#error((block) => this.#absmax[block] as number) };
    }
    const { codes, nested } = nestAbsmax(this.#workspace, mode, this.#absmax, nestedOffset);
    const scaleOf = (block: number) => unnestAbsmax(codes, nested, block, block + 1)[0] as number;
    return { absmax: codes, nested, ...this.#error(scaleOf) };
  }

  #makeRoom(blocks: number): void {
    if (blocks <= this.#absmax.length) return;
    const room = Math.min(this.#blockCount, Math.max(blocks, 2 * this.#absmax.length));
    try {
      const larger = new Float32Array(room);
      larger.set(this.#absmax);
      this.#absmax = larger;
    } catch (cause) {
      const { tensor } = this.#job;
      const which = tensor === undefined ? "weights" : `tensor ${quoted(tensor)}`;
      throw new UnsupportedError(
        `${which}: ${room} absmax values do not fit into memory here; use larger blocks or copy it`,
        { cause },
      );
    }
  }

  #error(scaleOf: (block: number) => number): { error?: QuantizationError } {
    return this.#sampler === undefined ? {} : { error: this.#sampler.finish(scaleOf) };
  }

  #slot(slot: 0 | 1) {
    return this.#slots[slot] as { readonly values: number; readonly codes: number };
  }

  #codeBytes(elementCount: number): number {
    const { quantType } = this.#job;
    return quantType === "nf4" || quantType === "fp4" ? packedBytes(elementCount) : elementCount;
  }

  /** @returns the first block of the tile that holds NaN or infinity, or −1 */
  #run(valuesPtr: number, codesPtr: number, elementCount: number): number {
    const { quantType, mode, dtype } = this.#job;
    const { kernels } = this.#workspace;
    if (quantType === "llm-int8") {
      const rows = elementCount / this.#blockSize;
      return kernels.quantizeInt8Rows(
        dtype,
        valuesPtr,
        codesPtr,
        this.#absmaxPtr,
        rows,
        this.#blockSize,
      );
    }
    const is8Bit = quantType === "dynamic8";
    const codebook = is8Bit ? (this.#job.code ?? dynamic8()) : codebookOf(quantType);
    const kernel = is8Bit ? kernels.quantize8 : kernels.quantize4;
    return kernel.call(
      kernels,
      codebook,
      mode,
      dtype,
      valuesPtr,
      codesPtr,
      this.#absmaxPtr,
      elementCount,
      this.#blockSize,
    );
  }

  #throwNonFinite(valuesPtr: number, block: number, elementCount: number): never {
    const { quantType, dtype, tensor, file } = this.#job;
    const start = block * this.#blockSize;
    const count = Math.min(this.#blockSize, elementCount - start);
    const weights = this.#widened(valuesPtr, start, count);
    // LLM.int8 rounds to float16 first: what overflows there is infinity for it.
    const limit = quantType === "llm-int8" ? 65520 : Infinity;
    const at = weights.findIndex((w) => !(Math.abs(w) < limit));
    throw new NonFiniteError(
      tensor,
      this.#encoded + start + at,
      weights[at] as number,
      quantType === "llm-int8" && dtype !== "float16",
      file,
    );
  }

  #sampledTensor(): SampledTensor {
    const { quantType, dtype, code } = this.#job;
    const { kernels } = this.#workspace;
    const blockSize = this.#blockSize;
    const tensor = { dtype, blockSize, blockCount: this.#blockCount };
    switch (quantType) {
      case "nf4":
      case "fp4": {
        const codebook = codebookOf(quantType);
        const decode: Decode = (...places) =>
          kernels.dequantize4(codebook, "float32", ...places, blockSize);
        return { ...tensor, codesPerByte: 2, decode };
      }
      case "dynamic8": {
        const codebook = code ?? dynamic8();
        const decode: Decode = (...places) =>
          kernels.dequantize8(codebook, "float32", ...places, blockSize);
        return { ...tensor, codesPerByte: 1, decode };
      }
      case "llm-int8": {
        const decode: Decode = (codesPtr, scalesPtr, valuesPtr, count) =>
          kernels.dequantizeInt8Rows(
            "float32",
            codesPtr,
            scalesPtr,
            valuesPtr,
            count / blockSize,
            blockSize,
          );
        return { ...tensor, codesPerByte: 1, decode };
      }
    }
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
