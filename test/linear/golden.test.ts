/** bitsandbytes' own products: test/vectors/bitsandbytes, group `matmul`. */

import { describe, expect, it } from "vitest";
import type { Quantized4Bit, QuantizedInt8 } from "../../src/index.ts";
import { linear } from "../../src/linear/index.ts";
import { goldenGroup } from "../kernels/golden.ts";

const { cases, tensor } = goldenGroup("matmul");

const floats = (key: string) => new Float32Array(tensor(key).bytes.slice().buffer);
const bytes = (key: string) => tensor(key).bytes;
const signed = (key: string) => new Int8Array(bytes(key).buffer, bytes(key).byteOffset).slice();
const kernels = { name: "wasm", simd: "baseline", reason: "not asked" } as const;

/** The largest difference, as a part of the largest value. */
function difference(actual: Float32Array, expected: Float32Array): number {
  expect(actual.length).toBe(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  return Math.max(...actual.map((y, i) => Math.abs(y - (expected[i] as number)))) / largest;
}

describe.each(["wasm", "reference"] as const)("%s", (choice) => {
  it.each(cases.filter(({ op }) => op === "matmul_4bit"))("$id", (golden) => {
    const [batch, rows, columns] = golden.shape as [number, number, number];
    const { id, quant_type: quantType } = golden;
    const isNested = id.endsWith("nested");
    const base = {
      quantType,
      mode: "torch" as const,
      blockSize: golden.blocksize,
      quantStorage: "uint8" as const,
      codes: bytes(`${id}/weight`),
      shape: [rows, columns],
      dtype: "float32" as const,
      kernels,
    };
    const state = () => JSON.parse(new TextDecoder().decode(bytes(stateKey(golden.tensors))));
    const record: Quantized4Bit = isNested
      ? {
          ...base,
          absmax: bytes(`${id}/absmax`),
          nested: {
            blockSize: state().nested_blocksize,
            offset: state().nested_offset,
            absmax: floats(`${id}/nested_absmax`),
            levels: floats(`${id}/nested_quant_map`),
          },
        }
      : { ...base, absmax: floats(`${id}/absmax`) };
    const y = linear(floats("A"), record, { bias: floats("bias"), kernels: choice });
    expect(y.length).toBe(batch * rows);
    expect(difference(y, floats(`${id}/out`))).toBeLessThan(1e-5);
  });

  it("int8: LLM.int8's product of two coded matrices", () => {
    const golden = cases.filter(({ op }) => op === "int8_scaled_mm").map(({ shape }) => shape);
    const [batch, rows, columns] = golden[0] as readonly number[] as [number, number, number];
    const scales = floats("int8/SCA");
    const x = Float32Array.from(
      signed("int8/A"),
      (code, i) => (code * (scales[Math.floor(i / columns)] as number)) / 127,
    );
    const record: QuantizedInt8 = {
      quantType: "llm-int8",
      codes: signed("int8/weight"),
      scb: floats("int8/SCB"),
      shape: [rows, columns],
      dtype: "float32",
      kernels,
    };
    const options = { bias: floats("bias"), kernels: choice, activations: "int8" } as const;
    const y = linear(x, record, options);
    expect(y.length).toBe(batch * rows);
    expect(difference(y, floats("int8/out"))).toBeLessThan(1e-5);
  });

  it("all five cases are here", () => expect(cases.length).toBe(5));
});

function stateKey(tensors: Readonly<Record<string, string>>): string {
  const name = Object.keys(tensors).find((key) => key.startsWith("quant_state")) as string;
  return tensors[name] as string;
}
