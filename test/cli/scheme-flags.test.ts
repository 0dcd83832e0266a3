/** Flags of the quant types: what they mean together, and what they cannot. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { metadataOf, nativeParts, recordOf } from "../checkpoint/native-parts.ts";
import { readFile, referenceFile, type TestTensor } from "../checkpoint/safetensors-files.ts";
import { sameBytes } from "../kernels/calls.ts";
import { llamaTensors, writeModel } from "../node/models.ts";
import { namesIn, quantize, quantwise, temporaryFolder } from "./quantwise.ts";

const tensors = llamaTensors({ layers: 1 });
const model = writeModel(join(temporaryFolder(), "model"), tensors);
const UP = "model.layers.0.mlp.up_proj.weight";
const up = tensors.find(({ name }) => name === UP) as TestTensor;

describe.concurrent("flags that mean nothing together", () => {
  const folder = temporaryFolder();
  const packed = "--format compressed-tensors";

  it.each([
    ["--quant-type int8 --block-size 31", /blockSize.*from 32 to 4096.*31/],
    ["--quant-type int8 --block-size 4097", /blockSize.*from 32 to 4096.*4097/],
    ["--quant-type int8 --group-size 16", /blockSize.*from 32 to 4096.*16/],
    ["--quant-type mxfp4 --block-size 64", /blockSize.*32 for mxfp4.*64/],
    ["--quant-type nvfp4 --block-size 32", /blockSize.*16 for nvfp4.*32/],
    ["--quant-type nvfp4 --granularity tensor", /granularity.*"block" for nvfp4/],
    ["--quant-type int8 --granularity row", /--granularity.*'row'.*tensor, channel, block/],
    ["--quant-type int8 --axis 1", /axis.*none for granularity "block".*1/],
    ["--quant-type int8 --granularity channel --axis x", /--axis.*whole number.*"x"/],
    ["--quant-type uint8 --symmetric", /symmetric.*false for uint8/],
    ["--quant-type mxfp8 --double-quant", /doubleQuant.*false for mxfp8/],
    ["--quant-type int8 --mode cuda", /mode.*"torch" for int8.*"cuda"/],
    ["--quant-type int8 --quant-storage float16", /quantStorage.*"uint8" for int8/],
    ["--quant-type nf4 --granularity tensor", /granularity.*none for nf4/],
    [
      "--quant-type int8 --format bitsandbytes",
      /format.*"compressed-tensors" or "native" for int8/,
    ],
    ["--quant-type int8 --format gguf", /--format.*'gguf'.*bitsandbytes/],
    [`--quant-type uint4 ${packed}`, /format.*"native" for uint4.*"compressed-tensors"/],
    [`--quant-type int4 --double-quant ${packed}`, /doubleQuant.*false for compressed-tensors/],
    [`--quant-type int4 --granularity tensor ${packed}`, /granularity.*"channel" or "block"/],
  ] as const)("are told of, exit with 2, and create nothing: %s", async (flags, message) => {
    const args = ["quantize", model, "-o", join(folder, "never"), ...flags.split(" ")];
    const { code, stdout, stderr } = await quantwise(args);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(stdout.toString()).toBe("");
    expect(code).toBe(2);
    expect(namesIn(folder)).toEqual([]);
  });

  it("are found in a dry run, too", async () => {
    const flags = ["--quant-type", "nvfp4", "--block-size", "32", "--dry-run"];
    const { code } = await quantwise(["quantize", model, "-o", join(folder, "never"), ...flags]);
    expect(code).toBe(2);
  });

  it.each([
    [
      `--quant-type int4 --block-size 96 ${packed}`,
      /its \d+ columns do not divide into groups of 96/,
    ],
    ["--quant-type int8 --granularity channel --axis 2", /axis.*-2 to 1.*2/],
  ])("with some tensor exit with 1 and its name: %s", async (text, message) => {
    const flags = text.split(" ");
    const { code, stderr } = await quantwise([
      "quantize",
      model,
      "-o",
      join(folder, "no"),
      ...flags,
    ]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/tensor "model\..*": /);
    expect(stderr).toMatch(message);
  });
});

describe("flags of a quant type", () => {
  it.each([
    ["--quant-type int8", { quantType: "int8" }],
    [
      "--quant-type int4 --group-size 32 --symmetric",
      { quantType: "int4", blockSize: 32, symmetric: true },
    ],
    ["--quant-type int4 --no-double-quant", { quantType: "int4", doubleQuant: false }],
    ["--quant-type uint8 --granularity tensor", { quantType: "uint8", granularity: "tensor" }],
    [
      "--quant-type uint4 --granularity channel --axis 1",
      { quantType: "uint4", granularity: "channel", axis: 1 },
    ],
    ["--quant-type nvfp4", { quantType: "nvfp4" }],
    ["--quant-type fp8-e4m3 --granularity block", { quantType: "fp8-e4m3", granularity: "block" }],
    ["--quant-type nf4 --format native", { quantType: "nf4" }],
  ] as const)(
    "make what quantize() makes, from a file and from a stream: %s",
    async (flags, coding) => {
      const folder = temporaryFolder();
      const out = join(folder, "out.safetensors");
      const said = await quantize([model, "-o", out, "--json", ...flags.split(" ")]);
      expect(JSON.parse(said.stdout.toString())).toMatchObject({
        tensors: { copy: 5, [coding.quantType]: 7 },
        warnings: [expect.stringMatching(/read by quantwise alone/)],
      });
      const file = readFile(readFileSync(out));
      for (const [name, [, , bytes]] of nativeParts(UP, recordOf(up, coding))) {
        sameBytes(file.get(name).bytes, bytes, name);
      }
      expect(metadataOf(file).codings).toEqual([expect.objectContaining(coding)]);

      // A bare stream has no config: the linear layers go by their names.
      const stdin = referenceFile(tensors);
      const streamed = await quantize(["-", "-o", "-", ...flags.split(" ")], { stdin });
      const flowed = readFile(streamed.stdout);
      for (const { name, bytes } of file.tensors) sameBytes(flowed.get(name).bytes, bytes, name);
      expect(flowed.tensors).toHaveLength(file.tensors.length);
      await quantize(["-", "-o", join(folder, "stdin.safetensors"), ...flags.split(" ")], {
        stdin,
      });
      sameBytes(readFileSync(join(folder, "stdin.safetensors")), readFileSync(out), "file");
    },
  );

  it("tell the exact size before anything is written", async () => {
    const out = join(temporaryFolder(), "out.safetensors");
    for (const flags of [
      ["--quant-type", "int4"],
      ["--quant-type", "nvfp4"],
      ["--quant-type", "af4"],
    ]) {
      const dry = await quantize([
        model,
        "-o",
        out,
        "--dry-run",
        "--overwrite",
        "--json",
        ...flags,
      ]);
      const real = await quantize([model, "-o", out, "--overwrite", "--json", ...flags]);
      const expected = JSON.parse(dry.stdout.toString());
      expect(expected).toMatchObject({ exact: true, slackBytes: 0 });
      expect(JSON.parse(real.stdout.toString()).bytesAfter).toBe(expected.bytesAfter);
    }
  });

  it("are said in words: counts, and where compressed-tensors helps", async () => {
    const out = join(temporaryFolder(), "out");
    const flags = ["--quant-type", "int4", "--rule", "**.q_proj.*=mxfp4"];
    const { stdout, stderr } = await quantize([model, "-o", out, ...flags]);
    expect(stdout.toString()).toMatch(/7 quantized \(6 int4, 1 mxfp4\), 5 copied/);
    expect(stderr).toMatch(/--format compressed-tensors stores int4 and int8/);
    const config = JSON.parse(readFileSync(join(out, "config.json"), "utf8"));
    expect(config.quantization_config).toEqual({ quant_method: "quantwise", version: 1 });
  });
});
