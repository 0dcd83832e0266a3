import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { dequantize, quantize } from "../../src/index.ts";
import { linear } from "../../src/linear/index.ts";
import { createQuantizer, WebGpuError } from "../../src/webgpu/index.ts";

/** Devices are tried in test/runtimes; here is none. */
const noAdapter = { requestAdapter: async () => null } as unknown as GPU;
const weights = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i));

describe("without a GPU", () => {
  it("webgpu is refused with the reason", async () => {
    const error = await createQuantizer({ device: "webgpu", gpu: noAdapter }).catch((e) => e);
    expect(error).toBeInstanceOf(WebGpuError);
    expect(error).toMatchObject({ outcome: "no-adapter", code: "WEBGPU" });
    expect(error.message).toBe("webgpu: the runtime gives no adapter");
  });

  it("a runtime that gives no device is told", async () => {
    const gpu = {
      requestAdapter: async () => {
        throw new Error("the driver is gone");
      },
    } as unknown as GPU;
    const { ranOn } = await createQuantizer({ gpu });
    expect(ranOn).toMatchObject({ outcome: "no-device", reason: "the driver is gone" });
  });

  it("auto gives what quantize gives, and says why", async () => {
    const quantizer = await createQuantizer({ gpu: noAdapter });
    const { record, ranOn } = await quantizer.quantize(weights, { quantType: "fp4" });
    expect(record).toEqual(quantize(weights, { quantType: "fp4" }));
    expect(ranOn).toEqual({
      device: "wasm",
      outcome: "no-adapter",
      reason: "the runtime gives no adapter",
    });
    const back = await quantizer.dequantize(record, { dtype: "bfloat16" });
    expect(back.values).toEqual(dequantize(record, { dtype: "bfloat16" }));
  });

  it("wasm is not asked for a reason twice", async () => {
    const quantizer = await createQuantizer({ device: "wasm", kernels: "reference" });
    expect(quantizer.ranOn).toMatchObject({ device: "reference", outcome: "asked-for" });
    expect(quantizer.device).toBeUndefined();
  });

  it("products are those of linear", async () => {
    const quantizer = await createQuantizer({ device: "wasm" });
    const record = quantize(weights, { shape: [10, 100] });
    const layer = await quantizer.prepareLinear(record);
    const x = weights.subarray(0, 300);
    const bias = weights.subarray(0, 10);
    expect((await layer.multiply(x, bias)).values).toEqual(linear(x, record, { bias }));
    await expect(layer.multiply(x.subarray(1))).rejects.toThrow("x: expected rows of 100 elements");
    await expect(layer.multiply(x, x)).rejects.toThrow("bias: expected 10 elements");
  });

  it("wrong options are wrong on every device", async () => {
    const quantizer = await createQuantizer({ device: "wasm" });
    await expect(quantizer.quantize(weights, { shape: [3] })).rejects.toThrow("shape: expected");
    await expect(quantizer.quantize(weights, { blockSize: 63 })).rejects.toThrow("blockSize");
    await expect(createQuantizer({ device: "gpu" as "auto" })).rejects.toThrow(
      '"webgpu" or "wasm"',
    );
  });
});

describe("the shaders", () => {
  it("are embedded as they are in wgsl/", () => {
    const script = fileURLToPath(new URL("../../scripts/build-wgsl.mjs", import.meta.url));
    expect(() => execFileSync(process.execPath, [script, "--check"])).not.toThrow();
  });
});
