/** Whether a stored tensor is what quantizing the original gives, byte for byte. */

import type { SafetensorsFile, TensorEntry } from "../../formats/safetensors/index.ts";
import type { QuantMode } from "../../schemes/codebook.ts";
import type { Workspace } from "../../tensor/workspace.ts";
import { STORAGE_DTYPES } from "../layouts/bitsandbytes-4bit.ts";
import type { OutputTensor } from "../layouts/layout.ts";
import { layoutOf } from "../layouts/registry.ts";
import { type RunOptions, runUnit } from "../run-unit.ts";
import { outputsOf, type Unit } from "../unit.ts";
import { unitReader } from "../unit-reader.ts";
import type { Located } from "./finder.ts";
import type { StoredTensor } from "./stored-model.ts";
import type { StoredWeight } from "./stored-weight.ts";

/** A tensor of the original. */
export interface OriginalTensor extends Located {
  /** GPT-2's Conv1D, whose quantized form is transposed. */
  readonly isConv1d: boolean;
}

/** Thrown out of a run at the first byte that differs. */
class Difference extends Error {}

export class Requantizer {
  readonly #workspace: Workspace;
  readonly #options: RunOptions;
  /** bitsandbytes' files do not say whose bits they have: the last one that fitted is tried first. */
  #modes: readonly QuantMode[] = ["torch", "cuda"];

  constructor(workspace: Workspace, options: RunOptions) {
    this.#workspace = workspace;
    this.#options = { ...options, allowNonFinite: true };
  }

  /**
   * @param files those of the stored model
   * @returns how the stored tensor differs; undefined when it does not
   */
  async difference(
    original: OriginalTensor,
    stored: StoredTensor,
    files: readonly SafetensorsFile[],
  ): Promise<string | undefined> {
    if (stored.kind === "plain") {
      const located = { file: files[stored.file] as SafetensorsFile, entry: stored.entry };
      const unit = { ...copyOf(original.entry), fileName: original.file.source.name };
      return this.#run(unit, original, new Map([[stored.entry.name, located]]));
    }
    const { weight } = stored;
    const parts = new Map([weight.codes, ...weight.parts].map((part) => [part.entry.name, part]));
    const { coding, layout } = weight;
    if (layout !== "bitsandbytes" || coding.family !== "codebook") {
      return this.#run(unitOf(original, weight, undefined), original, parts);
    }
    let first: string | undefined;
    for (const mode of this.#modes) {
      const found = await this.#run(unitOf(original, weight, mode), original, parts);
      if (found === undefined) {
        this.#modes = mode === "torch" ? ["torch", "cuda"] : ["cuda", "torch"];
        return undefined;
      }
      first ??= found;
    }
    return first;
  }

  async #run(
    unit: Unit,
    { file }: OriginalTensor,
    stored: ReadonlyMap<string, Located>,
  ): Promise<string | undefined> {
    const text = [...stored.values()].find(({ entry }) => /\.quant_state\./.test(entry.name));
    const textBytes = text === undefined ? 0 : text.entry.end - text.entry.begin;
    const outputs = outputsOf(unit, textBytes);
    const header = headerDifference(outputs, stored);
    if (header !== undefined) return header;
    const compare = (output: OutputTensor, bytes: Uint8Array, position: number) =>
      compareBytes(stored.get(output.name) as Located, bytes, position);
    const streamed = outputs[0] as OutputTensor;
    let position = 0;
    const writer = {
      quantStateBytes: textBytes,
      async write(bytes: Uint8Array) {
        const at = position;
        position += bytes.byteLength;
        await compare(streamed, bytes, at);
      },
      async finish(parts: ReadonlyMap<string, Uint8Array>) {
        for (const output of outputs) {
          const bytes = parts.get(output.role);
          if (bytes !== undefined) await compare(output, bytes, 0);
        }
      },
    };
    try {
      await runUnit(unit, unitReader(unit, file), writer, this.#workspace, this.#options);
      return undefined;
    } catch (error) {
      if (error instanceof Difference) return error.message;
      throw error;
    }
  }
}

function copyOf(entry: TensorEntry): Unit {
  return { file: 0, fileName: "", entry, action: "copy", transpose: false };
}

function unitOf(
  { file, entry, isConv1d }: OriginalTensor,
  { coding, layout, codes }: StoredWeight,
  mode: QuantMode | undefined,
): Unit {
  const storages = Object.entries(STORAGE_DTYPES) as [keyof typeof STORAGE_DTYPES, string][];
  const quantStorage = storages.find(([, dtype]) => dtype === codes.entry.dtype)?.[0] ?? "uint8";
  const own =
    coding.family === "codebook" && mode !== undefined ? { ...coding, mode, quantStorage } : coding;
  return {
    file: 0,
    fileName: file.source.name,
    entry,
    action: coding.quantType,
    transpose: isConv1d,
    treatment: { coding: own, layout: layoutOf(coding.quantType, layout) },
  };
}

function headerDifference(
  outputs: readonly OutputTensor[],
  stored: ReadonlyMap<string, Located>,
): string | undefined {
  for (const { name, dtype, shape } of outputs) {
    const entry = stored.get(name)?.entry;
    if (entry === undefined) return `"${name}" is missing`;
    const [found, expected] = [entry, { dtype, shape }].map(
      (tensor) => `${tensor.dtype} [${tensor.shape.join(", ")}]`,
    );
    if (found !== expected) return `"${name}" is ${found}, and the original gives ${expected}`;
  }
  const names = new Set(outputs.map(({ name }) => name));
  const more = [...stored.keys()].find((name) => !names.has(name));
  return more === undefined ? undefined : `"${more}" is there, and the original does not give it`;
}

const CHUNK_BYTES = 1 << 20;

/** @throws Difference */
async function compareBytes(
  { file, entry }: Located,
  bytes: Uint8Array,
  position: number,
): Promise<void> {
  const differs = (at: number) =>
    new Difference(`"${entry.name}" differs from what the original gives, at byte ${at}`);
  if (position + bytes.byteLength > entry.end - entry.begin) throw differs(entry.end - entry.begin);
  const chunk = new Uint8Array(Math.min(CHUNK_BYTES, bytes.byteLength));
  for (let start = 0; start < bytes.byteLength; start += chunk.byteLength) {
    const expected = bytes.subarray(start, start + chunk.byteLength);
    const found = chunk.subarray(0, expected.byteLength);
    await file.source.read(found, file.dataStart + entry.begin + position + start);
    const at = found.findIndex((byte, i) => byte !== expected[i]);
    if (at >= 0) throw differs(position + start + at);
  }
}
