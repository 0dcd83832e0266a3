import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { floatBytesAs, type TestTensor } from "../checkpoint/safetensors-files.ts";
import { llamaTensors, writeModel } from "../node/models.ts";
import { filesBelow, folderWith, namesIn, quantwise, temporaryFolder } from "./quantwise.ts";

const LATE = "model.layers.1.mlp.up_proj.weight";

/** The model's last weights hold one bad value. */
function spoiled(value: number, index: number): TestTensor[] {
  return llamaTensors({ dtype: "F32" }).map((tensor) => {
    if (tensor.name !== LATE) return tensor;
    const values = new Float32Array(tensor.bytes.slice().buffer);
    values[index] = value;
    return { ...tensor, bytes: floatBytesAs("F32", values) };
  });
}

describe("an output's path", () => {
  const model = writeModel(join(temporaryFolder(), "model"), llamaTensors({ layers: 1 }));

  it("that leads through a file is refused", async () => {
    const folder = folderWith({ file: "text" });
    for (const out of ["file/out", "file/out.safetensors", "file/a/b/out"]) {
      const { code, stderr } = await quantwise(["quantize", model, "-o", join(folder, out)]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/file.*: (a part of the path is not a directory|it is a file)/);
      expect(stderr).not.toMatch(/\n\s+at /);
    }
    expect(filesBelow(folder)).toEqual(new Map([["file", Buffer.from("text")]]));
  });

  it.runIf(existsSync("/proc/self"))("that no file system takes is refused, soon", async () => {
    const { code, stderr } = await quantwise(["quantize", model, "-o", "/proc/nowhere/out"]);
    expect(code).toBe(1);
    expect(stderr).toContain("cannot create /proc/nowhere");
  });

  it("leaves no new parents behind when the job fails", async () => {
    const folder = temporaryFolder();
    const bad = writeModel(join(temporaryFolder(), "model"), spoiled(NaN, 1));
    const { code } = await quantwise(["quantize", bad, "-o", join(folder, "a/b/out")]);
    expect(code).toBe(1);
    expect(namesIn(folder)).toEqual([]);
  });
});

describe("a weight whose statistics no machine can hold", () => {
  it("is refused by its name before its bytes come", async () => {
    const header = JSON.stringify({
      [LATE]: { dtype: "F32", shape: [2 ** 20, 2 ** 20], data_offsets: [0, 2 ** 42] },
    });
    const stdin = Buffer.alloc(8 + header.length + 100);
    stdin.writeBigUInt64LE(BigInt(header.length));
    stdin.write(header, 8);
    const folder = temporaryFolder();
    const args = ["quantize", "-", "-o", join(folder, "out.safetensors")];
    const { code, stderr } = await quantwise(args, { stdin });
    expect(code).toBe(1);
    expect(stderr).toContain(LATE);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(namesIn(folder)).toEqual([]);
  });
});
