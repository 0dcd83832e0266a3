/** What becomes of a quantized checkpoint that is expanded: every weight a plain tensor again. */

import type { SafetensorsFile, TensorEntry } from "../../formats/safetensors/index.ts";
import { type FloatDtype, floatBytes } from "../../foundation/dtype.ts";
import { FormatError, PlanError } from "../../foundation/errors.ts";
import { elementCountOf } from "../../foundation/shape.ts";
import type { Workspace } from "../../tensor/workspace.ts";
import { type LayerRules, layerRules, type ModelIdentity } from "../architectures/index.ts";
import { ConversionPlan, PLAIN_METADATA } from "../conversion-plan.ts";
import { SAFETENSORS_DTYPES } from "../layouts/layout.ts";
import { sourceReader, TransposingReader } from "../tensor-reader.ts";
import type { Unit } from "../unit.ts";
import { type OpenReader, unitReader } from "../unit-reader.ts";
import { DecodedSource } from "./decoded-source.ts";
import { nameOf, PART_NAMES, type StoredModel, type StoredTensor } from "./stored-model.ts";

export class DequantizePlan extends ConversionPlan {
  readonly files;
  readonly length: number;
  readonly #tensors: readonly StoredTensor[];
  readonly #layers: LayerRules;
  readonly #dtype: FloatDtype | undefined;

  /**
   * @param dtype of the expanded weights. @defaultValue each weight's own
   * @throws PlanError when nothing is quantized
   */
  constructor(model: StoredModel, identity: ModelIdentity, dtype: FloatDtype | undefined) {
    super();
    this.#tensors = [...model.tensors()];
    refuseLeftovers(
      this.#tensors,
      model.files.map(({ source }) => source.name),
    );
    if (model.quantized === 0) {
      throw new PlanError(
        "nothing in this checkpoint is quantized in a form that quantwise reads (bitsandbytes, " +
          "compressed-tensors pack-quantized, quantwise's own)",
      );
    }
    this.files = model.files.map(({ source, table }) => ({ name: source.name, table }));
    this.length = this.#tensors.length;
    this.#layers = layerRules(identity);
    this.#dtype = dtype;
  }

  /** A weight is carried over as a tensor of the expanded bytes, which begin at 0. */
  unit(index: number): Unit {
    const tensor = this.#tensors[index] as StoredTensor;
    const { file } = tensor;
    const fileName = this.files[file]?.name ?? "";
    const entry = tensor.kind === "plain" ? tensor.entry : this.#expanded(tensor);
    return { file, fileName, entry, action: "copy", transpose: false };
  }

  tensor(index: number): StoredTensor {
    return this.#tensors[index] as StoredTensor;
  }

  metadata(): ReadonlyMap<string, string> {
    return PLAIN_METADATA;
  }

  /** Opens the bytes of a unit; a quantized weight's scales are read, its codes when they are due. */
  async open(
    index: number,
    files: readonly SafetensorsFile[],
    workspace: Workspace,
  ): Promise<OpenReader> {
    const tensor = this.tensor(index);
    if (tensor.kind === "plain") {
      return unitReader(this.unit(index), files[tensor.file] as SafetensorsFile);
    }
    const { weight } = tensor;
    const dtype = this.#dtype ?? weight.dtype;
    const source = new DecodedSource(weight, await weight.scales(), workspace, dtype);
    if (!this.#isTransposed(tensor)) return () => sourceReader(source, 0);
    const shape = weight.shape as readonly [number, number];
    return () => new TransposingReader(source, 0, shape, floatBytes(dtype));
  }

  #expanded(tensor: Extract<StoredTensor, { kind: "quantized" }>): TensorEntry {
    const { name, shape, dtype: own } = tensor.weight;
    const dtype = this.#dtype ?? own;
    return {
      name,
      dtype: SAFETENSORS_DTYPES[dtype],
      shape: this.#isTransposed(tensor) ? [...shape].reverse() : shape,
      begin: 0,
      end: elementCountOf(shape) * floatBytes(dtype),
    };
  }

  /** GPT-2's Conv1D holds [in, out]; its quantized form is [out, in]. */
  #isTransposed(tensor: StoredTensor): boolean {
    if (tensor.kind === "plain") return false;
    const { shape } = tensor.weight;
    return shape.length === 2 && this.#layers.kindOf(nameOf(tensor), 2) === "conv1d";
  }
}

/** What would be copied as if it were a model's own, though it is part of a quantized weight. */
function refuseLeftovers(tensors: readonly StoredTensor[], files: readonly string[]): void {
  const isPacked = tensors.some(
    (tensor) => tensor.kind === "quantized" && tensor.weight.layout === "bitsandbytes",
  );
  for (const tensor of tensors) {
    if (tensor.kind === "quantized") continue;
    const { name, dtype, shape } = tensor.entry;
    const place = { file: files[tensor.file], tensor: name };
    if (PART_NAMES.test(name)) {
      const problem =
        "it belongs to a quantized weight whose other parts are missing, or whose form quantwise " +
        "does not read";
      throw new FormatError(problem, place);
    }
    const isBytes = dtype === "U8" || dtype === "I8";
    if (isPacked && isBytes && shape.length === 2 && /(^|\.)weight$/.test(name)) {
      const problem = `it is ${dtype}, as quantized weights are, and nothing beside it says how to read it`;
      throw new FormatError(problem, place);
    }
  }
}
