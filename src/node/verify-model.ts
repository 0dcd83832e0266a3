/** Whether a quantized model is whole, and whether it is what its original gives. */

import { type LayerRules, layerRules } from "../checkpoint/architectures/index.ts";
import { identityOf, refuseQuantized } from "../checkpoint/config/model-config.ts";
import { problemOf } from "../checkpoint/stored/check-weight.ts";
import { Requantizer } from "../checkpoint/stored/requantize.ts";
import { nameOf, PART_NAMES, type StoredModel } from "../checkpoint/stored/stored-model.ts";
import { elementsOf } from "../checkpoint/stored/stored-size.ts";
import type { SafetensorsFile } from "../formats/safetensors/index.ts";
import { ArgumentError, FormatError, quoted } from "../foundation/errors.ts";
import type { KernelChoice } from "../kernels/kernel-set.ts";
import { newWorkspace } from "../tensor/default-workspace.ts";
import { openStored } from "./dequantize-model.ts";
import { type ModelInput, openModel } from "./model-input.ts";
import { checkAlignment, checkIndex, checkSums, type FoundProblem } from "./verify-files.ts";
import { checkTokenOrigins } from "./web-input.ts";

export interface VerifyModelOptions {
  /** The model that it was made from: quantized again, and compared byte by byte. */
  readonly against?: string;
  /** A config.json to use instead of the one beside the quantized model. */
  readonly config?: string;
  /** @defaultValue "auto" */
  readonly kernels?: KernelChoice;
  readonly signal?: AbortSignal;
  /** For models at one address; see `openModel`. */
  readonly token?: string;
  /** What there is to do, in elements; called before the first is read. */
  readonly onPlan?: (plan: { readonly tensors: number; readonly elements: number }) => void;
  readonly onElements?: (elementCount: number) => void;
  readonly onProblem?: (problem: FoundProblem) => void;
}

export interface VerifiedModel {
  /** Nothing was found. */
  readonly ok: boolean;
  readonly problems: readonly FoundProblem[];
  /** Tensors as the model sees them, and how many of them are quantized. */
  readonly tensors: number;
  readonly quantized: number;
  /** Files whose SHA-256 was compared with SHA256SUMS; 0 where there is none. */
  readonly checksums: number;
  /** Tensors that were compared with the original's. */
  readonly compared: number;
}

/**
 * Reads a quantized model from end to end: headers and index, shapes of all parts, quant states,
 * scales and decoded weights, which must be finite, and SHA256SUMS where it is there. With `against`
 * the original is quantized again, with the options that the model tells, and compared.
 *
 * What is wrong with the model is returned, not thrown.
 *
 * @param path a path or an address, as of `openModel`
 * @throws ArgumentError, StorageError; PlanError for an original that is quantized; or the signal's
 * reason
 */
export async function verifyModel(
  path: string,
  options: VerifyModelOptions = {},
): Promise<VerifiedModel> {
  if (path === options.against) {
    throw new ArgumentError("against", "another model than the one to verify", path);
  }
  const { against, token } = options;
  checkTokenOrigins(against === undefined ? [path] : [path, against], token);
  const verification = new Verification(path, options);
  try {
    await verification.run();
  } catch (error) {
    // The file's fault, and nothing behind it can be looked at.
    if (!(error instanceof FormatError) || verification.isOriginal) throw error;
    verification.add({ problem: error.message });
  }
  return verification.result();
}

class Verification {
  readonly #path: string;
  readonly #options: VerifyModelOptions;
  readonly #problems: FoundProblem[] = [];
  #tensors = 0;
  #quantized = 0;
  #checksums = 0;
  #compared = 0;
  /** What is read now is the original, whose faults are not the model's. */
  isOriginal = false;

  constructor(path: string, options: VerifyModelOptions) {
    this.#path = path;
    this.#options = options;
  }

  add(problem: FoundProblem): void {
    this.#problems.push(problem);
    this.#options.onProblem?.(problem);
  }

  result(): VerifiedModel {
    return {
      ok: this.#problems.length === 0,
      problems: this.#problems,
      tensors: this.#tensors,
      quantized: this.#quantized,
      checksums: this.#checksums,
      compared: this.#compared,
    };
  }

  async run(): Promise<void> {
    const { config, token, signal, against } = this.#options;
    const add = (problem: FoundProblem) => this.add(problem);
    this.#checksums = await checkSums(this.#path, add, signal);
    const model = await openModel(this.#path, { config, token, signal });
    try {
      for (const file of model.files) checkAlignment(file, add);
      await checkIndex(this.#path, model.files, add);
      const stored = await openStored(model);
      this.#checkParts(stored);
      const passes = against === undefined ? 1 : 2;
      const elements = [...stored.tensors()].reduce((sum, tensor) => sum + elementsOf(tensor), 0);
      this.#options.onPlan?.({ tensors: this.#tensors, elements: elements * passes });
      await this.#checkWeights(stored);
      if (against !== undefined) await this.#compare(against, stored, model);
    } finally {
      await model.close();
    }
  }

  #checkParts(stored: StoredModel): void {
    this.#quantized = stored.quantized;
    for (const tensor of stored.tensors()) {
      this.#tensors++;
      if (tensor.kind === "quantized" || !PART_NAMES.test(tensor.entry.name)) continue;
      const problem = "it belongs to a quantized weight that is not there, or cannot be read";
      this.add({ tensor: tensor.entry.name, problem });
    }
    if (stored.quantized === 0) {
      this.add({ problem: "nothing in it is quantized in a form that quantwise reads" });
    }
  }

  async #checkWeights(stored: StoredModel): Promise<void> {
    const { kernels, signal, onElements } = this.#options;
    const workspace = newWorkspace(kernels);
    for (const tensor of stored.tensors()) {
      signal?.throwIfAborted();
      if (tensor.kind === "plain") {
        onElements?.(elementsOf(tensor));
        continue;
      }
      const { weight } = tensor;
      const problem = await problemOf(weight, workspace, { signal, onElements });
      if (problem !== undefined) this.add({ tensor: weight.name, problem });
    }
  }

  async #compare(against: string, stored: StoredModel, { config }: ModelInput): Promise<void> {
    const { token, signal } = this.#options;
    this.isOriginal = true;
    const original = await openModel(against, { token, signal });
    try {
      refuseQuantized(original.config);
      const layers = layerRules(identityOf(original.config ?? config));
      await this.#compareTensors(original.files, layers, stored);
    } finally {
      await original.close();
    }
  }

  async #compareTensors(
    originals: readonly SafetensorsFile[],
    layers: LayerRules,
    stored: StoredModel,
  ): Promise<void> {
    const { kernels, signal, onElements } = this.#options;
    const left = new Map([...stored.tensors()].map((tensor) => [nameOf(tensor), tensor]));
    const requantizer = new Requantizer(newWorkspace(kernels), { signal });
    for (const file of originals) {
      for (let i = 0; i < file.table.length; i++) {
        const entry = file.table.at(i);
        const tensor = left.get(entry.name);
        if (tensor === undefined) {
          this.add({ tensor: entry.name, problem: "the original has it, and it is missing" });
          continue;
        }
        left.delete(entry.name);
        const isConv1d =
          tensor.kind === "quantized" &&
          entry.shape.length === 2 &&
          layers.kindOf(entry.name, 2) === "conv1d";
        const found = await requantizer.difference({ file, entry, isConv1d }, tensor, stored.files);
        if (found !== undefined) this.add({ tensor: entry.name, problem: found });
        this.#compared++;
        onElements?.(elementsOf(tensor));
      }
    }
    for (const name of left.keys()) {
      this.add({ tensor: name, problem: `the original has no tensor ${quoted(name)}` });
    }
  }
}
