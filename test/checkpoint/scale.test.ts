import { describe, expect, it } from "vitest";
import { ModuleIndex, ModuleScan } from "../../src/checkpoint/architectures/matchers.ts";
import { layoutForward } from "../../src/checkpoint/forward-layout.ts";
import { exactSizes, outputFiles, singleOutputFile } from "../../src/checkpoint/output-plan.ts";
import { Plan } from "../../src/checkpoint/plan.ts";
import { weightMapEntries } from "../../src/checkpoint/weight-map.ts";
import { HeaderParser } from "../../src/formats/safetensors/index.ts";

/** BF16 tensors of these shapes, planned as llama's. */
function planOf(
  shapes: Readonly<Record<string, readonly number[]>>,
  options: ConstructorParameters<typeof Plan>[2] = {},
): Plan {
  let at = 0;
  const entries = Object.entries(shapes).map(([name, shape]) => {
    const begin = at;
    at += 2 * shape.reduce((product, dimension) => product * dimension, 1);
    const place = `"shape":[${shape.join(",")}],"data_offsets":[${begin},${at}]`;
    return `${JSON.stringify(name)}:{"dtype":"BF16",${place}}`;
  });
  const text = new TextEncoder().encode(`{${entries.join(",")}}`);
  const parser = new HeaderParser({ file: "wide" });
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(text.byteLength), true);
  parser.push(length);
  for (let i = 0; i < text.byteLength; i += 1 << 20) parser.push(text.subarray(i, i + (1 << 20)));
  const model = { modelType: "llama", architectures: ["LlamaForCausalLM"] };
  return new Plan([{ name: "wide", table: parser.finish() }], model, options);
}

describe("a header that loaders would refuse", () => {
  // 1,600 names of 65,000 characters pass 100,000,000 bytes.
  const names = Array.from({ length: 1600 }, (_, i) => `${i}`.padEnd(65_000, "x"));
  const plan = planOf(Object.fromEntries(names.map((name) => [name, [4]])));

  it("is refused in a forward-only file and in a single one", () => {
    const said = /header would be longer than 100000000 bytes.*write to a directory/;
    expect(() => layoutForward(plan)).toThrow(said);
    expect(() => exactSizes(plan, [singleOutputFile(plan, "one.safetensors")])).toThrow(said);
  });

  it("makes a directory begin another shard", () => {
    const files = outputFiles(plan);
    expect(files.length).toBeGreaterThan(1);
    expect(files.flatMap(({ units }) => [...units]).sort((a, b) => a - b)).toEqual([
      ...names.keys(),
    ]);
    expect(() => exactSizes(plan, files)).not.toThrow();
  });
});

describe("the index", () => {
  const layers = Array.from({ length: 12 }, (_, i) => `model.layers.${i}.self_attn.q_proj`);
  const shapes = Object.fromEntries(
    layers.flatMap((layer) => [
      [`${layer}.bias`, [8]],
      [`${layer}.weight`, [8, 8]],
    ]),
  );

  it.each(["nf4", "llm-int8"] as const)("lists every tensor by name: %s", (quantType) => {
    const plan = planOf(shapes, { quantType });
    const files = outputFiles(plan, 1000);
    const expected = new Map<string, string>();
    for (const { name, units } of files) {
      for (const unit of units) {
        for (const output of plan.outputs(plan.unit(unit), "typical")) {
          expected.set(output.name, name);
        }
      }
    }
    const entries = [...weightMapEntries(plan, files)];
    expect(files.length).toBeGreaterThan(1);
    // ASCII names: code units are code points. SCB goes before bias, and bias before weight.
    expect(entries.map(([name]) => name)).toEqual([...expected.keys()].sort());
    expect(new Map(entries)).toEqual(expected);
  });
});

it("looking at every module says what the index of them says", () => {
  const parts = ["a", "b", "ab", "a1", "mlp", "gate", "gate_proj", "0", "1", "10"];
  let state = 7;
  const part = () => {
    state = (state * 48271) % 2147483647;
    return parts[state % parts.length] as string;
  };
  const path = () => Array.from({ length: 1 + (state % 4) }, part).join(".");
  for (let round = 0; round < 300; round++) {
    const modules = Array.from({ length: 6 }, path);
    const [index, scan] = [new ModuleIndex(modules), new ModuleScan(modules)];
    const entry = path();
    expect(scan.hitBy(entry) === undefined).toBe(index.hitBy(entry) === undefined);
    expect(scan.holds(entry)).toBe(index.holds(entry));
  }
});
