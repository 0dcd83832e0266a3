/** The weights of a checkpoint by name, quantized or not: as records, or as floats. */

import { readTensor, type SafetensorsFile } from "../formats/safetensors/index.ts";
import { FLOAT_DTYPES, type FloatDtype } from "../foundation/dtype.ts";
import { ArgumentError } from "../foundation/errors.ts";
import { bf16ToF32, f16ToF32 } from "../foundation/half.ts";
import { elementCountOf } from "../foundation/shape.ts";
import { sharedWorkspace } from "../tensor/default-workspace.ts";
import { dequantize } from "../tensor/dequantize.ts";
import type { QuantizedTensor } from "../tensor/quantized-tensor.ts";
import type { ModelConfig } from "./config/model-config.ts";
import { configDtype } from "./config/model-config.ts";
import { packedScheme } from "./config/plain-config.ts";
import { SAFETENSORS_DTYPES } from "./layouts/layout.ts";
import { DecodedSource } from "./stored/decoded-source.ts";
import { nameOf, StoredModel, type StoredTensor } from "./stored/stored-model.ts";
import type { StoredWeight } from "./stored/stored-weight.ts";

export class ModelWeights {
  readonly #model: StoredModel;
  readonly #tensors: ReadonlyMap<string, StoredTensor>;

  private constructor(model: StoredModel) {
    this.#model = model;
    this.#tensors = new Map([...model.tensors()].map((tensor) => [nameOf(tensor), tensor]));
  }

  /**
   * @param files opened safetensors: ours, bitsandbytes' or compressed-tensors', or plain ones
   * @param config config.json, which tells the schemes of what compressed-tensors packed
   * @throws FormatError for a weight whose parts are missing or do not fit
   */
  static async open(
    files: readonly SafetensorsFile[],
    config?: ModelConfig,
  ): Promise<ModelWeights> {
    const options = { dtype: configDtype(config), packedScheme: packedScheme(config) };
    return new ModelWeights(await StoredModel.open(files, options));
  }

  /** Every tensor as its model calls it; what belongs to codes is not among them. */
  get names(): readonly string[] {
    return [...this.#tensors.keys()];
  }

  isQuantized(name: string): boolean {
    return this.#tensors.get(name)?.kind === "quantized";
  }

  /**
   * A quantized weight as `quantize` gives it: for `dequantize`, and for `linear`.
   *
   * @throws ArgumentError for a name that is not there or not quantized; FormatError
   */
  async record(name: string): Promise<QuantizedTensor> {
    const tensor = this.#find(name);
    if (tensor.kind === "quantized") return recordOf(tensor.weight);
    throw new ArgumentError("name", "that of a quantized weight", name);
  }

  /**
   * Any tensor of floats, expanded or widened to f32.
   *
   * @throws ArgumentError for a name that is not there or holds no floats; FormatError
   */
  async floats(name: string): Promise<Float32Array<ArrayBuffer>> {
    const tensor = this.#find(name);
    if (tensor.kind === "quantized") return dequantize(await recordOf(tensor.weight));
    const { entry, file } = tensor;
    const dtype = FLOAT_DTYPES.find((each) => SAFETENSORS_DTYPES[each] === entry.dtype);
    if (dtype === undefined) {
      throw new ArgumentError("name", "that of a tensor of F32, F16 or BF16", name);
    }
    return widened(await readTensor(this.#model.files[file] as SafetensorsFile, entry), dtype);
  }

  #find(name: string): StoredTensor {
    const tensor = this.#tensors.get(name);
    if (tensor !== undefined) return tensor;
    throw new ArgumentError("name", "that of a tensor of the checkpoint", name);
  }
}

async function recordOf(weight: StoredWeight): Promise<QuantizedTensor> {
  const workspace = sharedWorkspace();
  const scales = await weight.scales();
  const source = new DecodedSource(weight, scales, workspace, "float32");
  const bytes = (await source.codes(0, elementCountOf(weight.shape))).slice();
  const isSigned = scales.quantType === "llm-int8" || scales.quantType === "int8";
  const codes = isSigned ? new Int8Array(bytes.buffer) : bytes;
  return { ...scales, codes, dtype: weight.dtype, kernels: workspace.report } as QuantizedTensor;
}

function widened(bytes: Uint8Array, dtype: FloatDtype): Float32Array<ArrayBuffer> {
  const { buffer } = bytes.slice();
  if (dtype === "float32") return new Float32Array(buffer);
  return Float32Array.from(new Uint16Array(buffer), dtype === "float16" ? f16ToF32 : bf16ToF32);
}
