/** Quantized checkpoints changed at random: they are expanded or refused, and nothing else happens. */

import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FormatError } from "../../src/index.ts";
import { dequantizeModel, type QuantizeModelOptions, quantizeModel } from "../../src/node/index.ts";
import { goldenFolder, namesIn, temporaryFolder } from "../cli/quantwise.ts";
import { bitsOf, elementsOf, randomFrom, type TestTensor } from "./safetensors-files.ts";
import { readModel, type Stored, writeStored } from "./stored-models.ts";

const ROUNDS = 60;

const SEEDS: readonly (readonly [string, QuantizeModelOptions])[] = [
  ["bitsandbytes nf4", { quantType: "nf4" }],
  ["bitsandbytes llm-int8", { quantType: "llm-int8" }],
  ["compressed-tensors", { quantType: "int4", format: "compressed-tensors", symmetric: false }],
  ["native nf4", { quantType: "nf4", format: "native" }],
  ["native int4", { quantType: "int4" }],
  ["native nvfp4", { quantType: "nvfp4" }],
  ["native fp8", { quantType: "fp8-e4m3", granularity: "channel" }],
];

const DTYPES = ["U8", "I8", "F16", "BF16", "I32", "F32", "I64", "F64", "BOOL", "F8_E4M3"];
const TOKENS = '0 1 -1 2 64 0.5 1e400 4294967296 9007199254740993 null true [] {} [0] [[]] "x"';

class Mutator {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = randomFrom(seed);
  }

  below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item;
  }

  /** One number, string or truth value of a JSON text becomes another. */
  text(json: string): string {
    const match = this.pick([...json.matchAll(/-?[\d.]+|"[^"]*"|true|false/g)]);
    const end = match.index + match[0].length;
    return json.slice(0, match.index) + this.pick(TOKENS.split(" ")) + json.slice(end);
  }

  tensor(tensor: TestTensor): TestTensor {
    const { name, shape, bytes } = tensor;
    const count = elementsOf(shape);
    switch (this.below(5)) {
      case 0:
        return { ...tensor, name: `${name}x` };
      case 1: {
        const dtype = this.pick(DTYPES);
        const size = (bytes.byteLength * 8) / bitsOf(dtype);
        return Number.isInteger(size) ? { ...tensor, dtype, shape: [size] } : tensor;
      }
      case 2:
        return { ...tensor, shape: this.pick([[count], [count, 1], [1, count], [1, count, 1]]) };
      case 3:
        if (!name.includes(".quant_state.")) break;
        return this.#withText(tensor, this.text(Buffer.from(bytes).toString()));
      case 4: {
        const kept = Math.floor(bytes.byteLength / 2);
        const item = bitsOf(tensor.dtype) / 8;
        const half = Math.floor(kept / item);
        return { ...tensor, shape: [half], bytes: bytes.slice(0, half * item) };
      }
    }
    const spoiled = bytes.slice();
    for (let i = 0; i < 8 && spoiled.length > 0; i++) {
      spoiled[this.below(spoiled.length)] = this.below(256);
    }
    return { ...tensor, bytes: spoiled };
  }

  #withText(tensor: TestTensor, text: string): TestTensor {
    const bytes = Uint8Array.from(Buffer.from(text));
    return { ...tensor, shape: [bytes.byteLength], bytes };
  }
}

async function quantized(options: QuantizeModelOptions): Promise<Stored> {
  const out = join(temporaryFolder(), "quantized");
  await quantizeModel(goldenFolder("llama_tiny_bf16"), out, options);
  return readModel(out);
}

describe("random changes", () => {
  it.each(SEEDS)("of %s", { timeout: 60_000 }, async (name, options) => {
    const mutator = new Mutator(name.length);
    const { tensors, metadata } = await quantized(options);
    let refused = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const at = mutator.below(tensors.length);
      const changed = tensors.map((tensor, i) => (i === at ? mutator.tensor(tensor) : tensor));
      const said = metadata.quantwise;
      const spoiled =
        said !== undefined && mutator.below(2) === 0
          ? { ...metadata, quantwise: mutator.text(said) }
          : metadata;
      const folder = writeStored(changed, spoiled);
      const out = temporaryFolder();
      await dequantizeModel(folder, join(out, "out")).catch((error: unknown) => {
        refused++;
        if (!(error instanceof FormatError)) throw error;
        expect(error.file).toContain("model.safetensors");
        expect(namesIn(out)).toEqual([]);
      });
      for (const used of [folder, out]) rmSync(used, { recursive: true });
    }
    expect(refused).toBeGreaterThan(ROUNDS / 4);
    expect(refused).toBeLessThan(ROUNDS);
  });
});
