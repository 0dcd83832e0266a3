import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { openSafetensors } from "../../src/formats/safetensors/index.ts";
import { bytesSource } from "../../src/foundation/byte-source.ts";

const run = promisify(execFile);

async function output(example: string): Promise<Buffer> {
  const path = new URL(`../../examples/${example}`, import.meta.url).pathname;
  const { stdout } = await run(process.execPath, [path], { encoding: "buffer" });
  return stdout;
}

describe("the examples run as they stand", () => {
  it("quantize-array", async () => {
    const text = (await output("quantize-array.mjs")).toString();
    expect(text).toMatch(/^nf4: 32768 bytes of codes, error \d+\.\d+ % of the RMS$/m);
    expect(text.trim().split("\n")).toHaveLength(4);
  });

  it("engine-memory", async () => {
    const text = (await output("engine-memory.mjs")).toString();
    expect(text).toMatch(/^kernels: wasm, /);
    expect(text).toMatch(/^1048576 weights in 524288 bytes, largest error 0\.1\d\d$/m);
  });

  it("search-embeddings", async () => {
    const text = (await output("search-embeddings.mjs")).toString();
    expect(text).toMatch(/float32 15360000, int8 3840000, ubinary 480000 bytes/);
    const recall = (name: string) =>
      Number(new RegExp(`^recall@10 of ${name}: (\\S+)$`, "m").exec(text)?.[1]);
    expect(recall("int8")).toBeGreaterThan(0.95);
    expect(recall("ubinary, then int8")).toBeGreaterThan(0.8);
    expect(recall("ubinary")).toBeLessThan(recall("ubinary, then int8"));
  });

  it("stream", async () => {
    const bytes = await output("stream.mjs");
    const { table } = await openSafetensors(bytesSource(bytes));
    const state = "model.layers.0.mlp.up_proj.weight.quant_state.bitsandbytes__nf4";
    expect(table.indexOf(state)).toBeGreaterThan(0);
  });

  it("checkpoint-in-memory", async () => {
    const text = (await output("checkpoint-in-memory.mjs")).toString();
    expect(text).toMatch(/^model\.safetensors: 191208 -> \d+ bytes, 61 tensors$/m);
    expect(text).toContain('"quant_method": "bitsandbytes"');
  });

  it("mlp and transformer-block: 4-bit weights, nearly the float result", async () => {
    const cosines = (text: string) =>
      [...text.matchAll(/^cosine.*: +(\S+)$/gm)].map(([, value]) => Number(value));
    const mlp = (await output("mlp.mjs")).toString();
    expect(mlp).toMatch(/^nf4, wasm: 10240 bytes of weights$/m);
    const block = (await output("transformer-block.mjs")).toString();
    const [float, int8, whole] = [...cosines(mlp), ...cosines(block)];
    expect(float).toBeGreaterThan(0.985);
    expect(int8).toBeGreaterThan(0.985);
    expect(whole).toBeGreaterThan(0.99);
  });
});
