/** The command on GGUF files: llama-quantize's bytes, whole or not at all. */

import { ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import {
  GgufMetadata,
  ggufEntry,
  ggufHeaderBytes,
  ggufType,
  layoutGguf,
} from "../../src/formats/gguf/index.ts";
import { edgeFile, goldenFile, goldenPath } from "../formats/gguf/vectors.ts";
import { sendFile, serve } from "../web/server.ts";
import {
  folderWith,
  goldenFolder,
  namesIn,
  quantize,
  quantwise,
  temporaryFolder,
} from "./quantwise.ts";

const tiny = fileURLToPath(goldenPath("tiny-f16"));

describe("quantize", () => {
  it.each([
    ["Q4_0", "q4_0"],
    ["Q8_0", "Q8_0"],
    ["Q4_K_M", "q4_k_m"],
  ])("gives llama-quantize's %s, byte for byte", async (name, type) => {
    const out = join(temporaryFolder(), "out.gguf");
    const { stdout } = await quantize([tiny, "-o", out, "--quant-type", type]);
    expect(readFileSync(out).equals(goldenFile(`tiny-${name}`))).toBe(true);
    expect(stdout.toString()).toMatch(/16 converted, 5 copied: .*5 F32/);
  });

  it("reads standard input, and writes standard output", async () => {
    const args = ["-", "-o", "-", "--quant-type", "q8_0", "--quiet"];
    const { stdout } = await quantize(args, { stdin: goldenFile("tiny-f16") });
    expect(stdout.byteLength).toBe(goldenFile("tiny-Q8_0").byteLength);
    const folder = folderWith({ "x.gguf": stdout });
    const { stdout: text } = await quantwise(["inspect", join(folder, "x.gguf"), "--json"]);
    const { tensors, metadata } = JSON.parse(text.toString());
    expect(tensors[0]).toMatchObject({
      name: "token_embd.weight",
      shape: [64, 256],
      dtype: "Q8_0",
    });
    expect(metadata["general.file_type"]).toBe(7);
  });

  it("reads addresses, with ranges and without", async () => {
    const bytes = Buffer.from(goldenFile("tiny-f16"));
    const { origin } = await serve((request, response) => {
      const ranges = request.url?.startsWith("/ranges") === true;
      sendFile(request, response, bytes, { ranges });
    });
    const folder = temporaryFolder();
    for (const path of ["ranges", "plain"]) {
      const out = join(folder, `${path}.gguf`);
      await quantize([`${origin}/${path}/m.gguf?x=1`, "-o", out, "--quant-type=q4_0", "--quiet"]);
      const same = readFileSync(out).equals(goldenFile("tiny-Q4_0"));
      // Front to back, the order of the source stays.
      expect(same).toBe(path === "ranges");
      expect(readFileSync(out).byteLength).toBe(goldenFile("tiny-Q4_0").byteLength);
    }
  });

  it("joins the parts of a model", async () => {
    const parts = ["split-00001-of-00002.gguf", "split-00002-of-00002.gguf"];
    const files = Object.fromEntries(
      parts.map((name) => [name, edgeFile(name.replace(".gguf", ""))]),
    );
    const folder = folderWith(files);
    const out = join(folder, "out.gguf");
    const from = join(folder, parts[0] as string);
    await quantize([from, "-o", out, "--quant-type=f16", "--allow-requantize", "--quiet"]);
    const { stdout } = await quantwise(["inspect", out, "--json"]);
    const { tensors, metadata } = JSON.parse(stdout.toString());
    expect(tensors.length).toBeGreaterThan(1);
    expect(Object.keys(metadata).filter((key) => key.startsWith("split."))).toEqual([]);
    const second = await quantwise(["inspect", join(folder, parts[1] as string)]);
    expect(second.stderr).toMatch(/it is part 2 of 2; open the first part/);
    const alone = folderWith({ [parts[0] as string]: files[parts[0] as string] as Uint8Array });
    const missing = await quantwise(["inspect", join(alone, parts[0] as string)]);
    expect(missing.stderr).toMatch(/cannot open .*split-00002-of-00002\.gguf/);
  });

  it("obeys rules, tells sizes in advance, and answers in JSON", async () => {
    const out = join(temporaryFolder(), "out.gguf");
    const args = ["-o", out, "--quant-type=q4_k_m", "--rule", "blk.0.**=q8_0", "--json"];
    const { stdout } = await quantize([tiny, ...args, "--exclude=output.weight", "--dry-run"]);
    const planned = JSON.parse(stdout.toString());
    expect(planned).toMatchObject({ dryRun: true, input: tiny, output: out });
    expect(planned.types).toMatchObject({ Q8_0: 9, F16: 1 });
    expect(namesIn(join(out, ".."))).toEqual([]);
    const { stdout: done } = await quantize([tiny, ...args, "--exclude=output.weight"]);
    const { bytesAfter, kernels } = JSON.parse(done.toString());
    expect(bytesAfter).toBe(planned.bytesAfter);
    expect(readFileSync(out).byteLength).toBe(bytesAfter);
    expect(["wasm", "reference"]).toContain(kernels.name);
  });

  it("--pure gives one type", async () => {
    const out = join(temporaryFolder(), "out.gguf");
    const args = [tiny, "-o", out, "--quant-type=q4_0", "--pure", "--dry-run", "--json"];
    const { stdout } = await quantize(args);
    expect(JSON.parse(stdout.toString()).types).toEqual({ Q4_0: 16, F32: 5 });
  });

  it.each([
    [["--quant-type=q2_k_s"], 1, /q2_k_s needs an importance matrix.*choose q2_k or q3_k_s/],
    [[], 2, /quant-type: expected one of f32, .*mxfp4_moe for GGUF/],
    [["--quant-type=nf4"], 2, /expected one of f32, .*received "nf4"/],
    [["--quant-type=q4_0", "--double-quant"], 2, /double-quant: expected no such option for GGUF/],
    [["--quant-type=q4_0", "--block-size=64"], 2, /block-size: expected no such option for GGUF/],
    [["--quant-type=q4_0", "--rule=a=nf4"], 2, /rule: expected 'GLOB=f32.*received "a=nf4"/],
  ] as const)("refuses %j", async (args, code, message) => {
    const folder = temporaryFolder();
    const out = join(folder, "out.gguf");
    const finished = await quantwise(["quantize", tiny, "-o", out, ...args]);
    expect(finished.stderr).toMatch(message);
    expect(finished.code).toBe(code);
    expect(namesIn(folder)).toEqual([]);
  });

  it("refuses GGUF into other forms, other models into GGUF, and what is quantized", async () => {
    const out = join(temporaryFolder(), "out");
    const args = (model: string, name: string) => ["quantize", model, "-o", `${out}${name}`];
    expect((await quantwise(args(tiny, ""))).stderr).toMatch(/expected a \.gguf file for a GGUF/);
    const other = await quantwise([...args("model", ".gguf"), "--quant-type=q4_0"]);
    expect(other.stderr).toMatch(/cannot open model/);
    const keys = await quantwise([
      ...args(tiny, ".gguf"),
      "--quant-type=q4_0",
      "--tokenizer-pre=x",
    ]);
    expect(keys.stderr).toMatch(/tokenizer-pre: expected no such option for a GGUF model/);
    const pure = await quantwise([...args("model", ""), "--pure"]);
    expect(pure.stderr).toMatch(/pure: expected an output that ends in \.gguf/);
    const q8 = fileURLToPath(goldenPath("tiny-Q8_0"));
    const twice = await quantwise([...args(q8, ".gguf"), "--quant-type=q4_0"]);
    expect(twice.stderr).toMatch(/is Q8_0 already, .*--allow-requantize/);
    expect(namesIn(join(out, ".."))).toEqual([]);
  });
});

describe("a checkpoint", () => {
  it("becomes GGUF with the keys of another file, or an error with the remedy", async () => {
    const out = join(temporaryFolder(), "out.gguf");
    const args = ["quantize", goldenFolder("llama_tiny_nf4"), "-o", out, "--quant-type=q8_0"];
    const refused = await quantwise(args);
    expect(refused.stderr).toMatch(/no tokenizer\.json with byte-level BPE; .*--metadata-from/);
    expect(refused.code).toBe(1);
    const entries = [
      ggufEntry("general.architecture", "string", "llama"),
      ggufEntry("llama.block_count", "uint32", 2),
    ];
    const keys = ggufHeaderBytes(layoutGguf(new GgufMetadata(entries), []));
    const from = join(folderWith({ "keys.gguf": keys }), "keys.gguf");
    const { code, stdout } = await quantwise([...args, "--metadata-from", from]);
    expect(code).toBe(0);
    expect(stdout.toString()).toMatch(/16 converted, 5 copied: .*16 Q8_0/);
  });
});

describe("half-way", () => {
  /** 400 MB of zeros; a sparse file takes no room. */
  function largeModel(folder: string): string {
    const path = join(folder, "large.gguf");
    const shapes = Array.from({ length: 100 }, (_, i) => ({
      name: `blk.${i}.ffn_up.weight`,
      dimensions: [1024, 1024],
      type: ggufType("F32"),
    }));
    const metadata = new GgufMetadata([ggufEntry("general.architecture", "string", "llama")]);
    const layout = layoutGguf(metadata, shapes);
    const fd = openSync(path, "w");
    writeSync(fd, ggufHeaderBytes(layout));
    ftruncateSync(fd, layout.fileBytes);
    return path;
  }

  it("interrupted, nothing is left", async () => {
    const large = largeModel(temporaryFolder());
    const folder = temporaryFolder();
    let beside: string[] = [];
    const args = ["quantize", large, "-o", join(folder, "out.gguf"), "--quant-type=q4_0"];
    const { code, stderr } = await quantwise(args, {
      onStart: (child) => {
        child.stderr?.once("data", () => {
          beside = namesIn(folder);
          child.kill("SIGINT");
        });
      },
    });
    expect(stderr).toContain("nothing was left behind");
    expect(code).toBe(130);
    expect(beside).toHaveLength(1);
    expect(namesIn(folder)).toEqual([]);
  });

  it("a bad value, or a cut stream, leaves nothing", async () => {
    const bad = Buffer.from(goldenFile("tiny-f16"));
    // The last values of the last tensor become infinity.
    bad.writeUInt16LE(0x7c00, bad.byteLength - 2);
    const folder = folderWith({ "bad.gguf": bad });
    const args = ["-o", join(folder, "out.gguf"), "--quant-type=q4_k_m", "--quiet"];
    const spoiled = await quantwise(["quantize", join(folder, "bad.gguf"), ...args]);
    expect(spoiled.stderr).toMatch(
      /tensor "blk\.1\.ffn_down\.weight": element 65535 is Infinity; expected a finite number/,
    );
    expect(spoiled.code).toBe(1);
    const cut = bad.subarray(0, bad.byteLength - 5);
    const { code, stderr } = await quantwise(["quantize", "-", ...args], { stdin: cut });
    expect(stderr).toMatch(/standard input, tensor "blk\..*cut off/);
    expect(code).toBe(1);
    expect(namesIn(folder)).toEqual(["bad.gguf"]);
  });
});

describe("dequantize and inspect", () => {
  it("expand what is quantized", async () => {
    const out = join(temporaryFolder(), "out.gguf");
    const q4 = fileURLToPath(goldenPath("tiny-Q4_K_M"));
    const { code, stdout } = await quantwise(["dequantize", q4, "-o", out, "--dtype=float32"]);
    expect(code).toBe(0);
    expect(stdout.toString()).toMatch(/16 converted, 5 copied: 21 F32/);
    const { stdout: table } = await quantwise(["inspect", out, "--stats"]);
    expect(table.toString()).toMatch(/general\.file_type +0\n/);
    expect(table.toString()).toMatch(/tokenizer\.ggml\.tokens +64 string: "<unk>", /);
    expect(table.toString()).toMatch(/1 file, 21 tensors, 558,336 weights/);
    const wrong = await quantwise(["dequantize", q4, "-o", `${out}.safetensors`]);
    expect(wrong.stderr).toMatch(/output: expected a \.gguf file/);
  });
});
