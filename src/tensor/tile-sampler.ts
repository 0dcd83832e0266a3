/** Looks at the error of some blocks of a tile, while its weights and codes are in kernel memory. */

import { type FloatDtype, floatBytes } from "../foundation/dtype.ts";
import {
  type BlockSums,
  ErrorSampler,
  type QuantizationError,
} from "../metrics/quantization-error.ts";
import type { Workspace } from "./workspace.ts";

/** Elements that are decoded at once. */
const RUN_ELEMENTS = 1 << 16;

/** Decodes codes to f32 with the scales at `scalesPtr`. */
export type Decode = (
  codesPtr: number,
  scalesPtr: number,
  valuesPtr: number,
  elementCount: number,
) => void;

export interface SampledTensor {
  readonly dtype: FloatDtype;
  /** Blocks of the whole tensor. */
  readonly blockCount: number;
  readonly blockSize: number;
  /** The blocks that will be added: from `firstBlock` to before `endBlock`. */
  readonly firstBlock: number;
  readonly endBlock: number;
  /** Codes in one byte. */
  readonly codesPerByte: 1 | 2;
  readonly decode: Decode;
}

export class TileSampler {
  readonly #workspace: Workspace;
  readonly #tensor: SampledTensor;
  readonly #sampler: ErrorSampler;
  readonly #runBlocks: number;
  readonly #sourcePtr: number;
  readonly #codesPtr: number;
  readonly #weightsPtr: number;
  readonly #unitsPtr: number;
  readonly #onesPtr: number;

  constructor(workspace: Workspace, tensor: SampledTensor) {
    const { blockCount, blockSize, firstBlock, endBlock } = tensor;
    this.#workspace = workspace;
    this.#tensor = tensor;
    this.#sampler = new ErrorSampler(blockCount, blockSize, firstBlock, endBlock);
    // Blocks that are not neighbours are decoded one by one.
    const neighbours = Math.max(1, Math.floor(RUN_ELEMENTS / blockSize));
    this.#runBlocks = this.#sampler.stride === 1 ? Math.min(neighbours, blockCount) : 1;
    const runBytes = this.#runBlocks * blockSize * 4;
    this.#sourcePtr = workspace.reserve("sampled source", runBytes);
    this.#codesPtr = workspace.reserve("sampled codes", runBytes);
    this.#weightsPtr = workspace.reserve("sampled weights", runBytes);
    this.#unitsPtr = workspace.reserve("sampled units", runBytes);
    this.#onesPtr = workspace.reserve("ones", this.#runBlocks * 4);
    workspace.floats(this.#onesPtr, this.#runBlocks).fill(1);
  }

  /** @param firstBlock index in the tensor of the tile's first block */
  add(valuesPtr: number, codesPtr: number, elementCount: number, firstBlock: number): void {
    const { blockSize } = this.#tensor;
    const { stride } = this.#sampler;
    const blocks = Math.ceil(elementCount / blockSize);
    const skip = (stride - (firstBlock % stride)) % stride;
    const step = stride === 1 ? this.#runBlocks : stride;
    for (let block = skip; block < blocks; block += step) {
      const start = block * blockSize;
      const count = Math.min(this.#runBlocks * blockSize, elementCount - start);
      this.#addRun(valuesPtr, codesPtr, start, count, firstBlock + block);
    }
  }

  finish(scaleOf: (block: number) => number): QuantizationError {
    return this.#sampler.finish(scaleOf);
  }

  sums(): BlockSums {
    return this.#sampler.sums();
  }

  #addRun(
    valuesPtr: number,
    codesPtr: number,
    start: number,
    elementCount: number,
    firstBlock: number,
  ): void {
    const { dtype, blockSize, codesPerByte, decode } = this.#tensor;
    const itemBytes = floatBytes(dtype);
    // Rows of any length begin anywhere; kernels want their inputs aligned.
    const memory = new Uint8Array(this.#workspace.kernels.buffer);
    const source = valuesPtr + start * itemBytes;
    memory.copyWithin(this.#sourcePtr, source, source + elementCount * itemBytes);
    const codes = codesPtr + start / codesPerByte;
    memory.copyWithin(this.#codesPtr, codes, codes + Math.ceil(elementCount / codesPerByte));

    const { kernels } = this.#workspace;
    kernels.convert(dtype, "float32", this.#sourcePtr, this.#weightsPtr, elementCount);
    decode(this.#codesPtr, this.#onesPtr, this.#unitsPtr, elementCount);
    const weights = this.#workspace.floats(this.#weightsPtr, elementCount);
    const units = this.#workspace.floats(this.#unitsPtr, elementCount);
    for (let at = 0, block = firstBlock; at < elementCount; at += blockSize, block++) {
      this.#sampler.add(block, weights, units, at, Math.min(at + blockSize, elementCount));
    }
  }
}
