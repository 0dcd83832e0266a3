/** `quantwise dequantize`: what it writes, says and refuses, and that it leaves nothing behind. */

import type { ChildProcess } from "node:child_process";
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readFile, weights } from "../checkpoint/safetensors-files.ts";
import { readModel } from "../checkpoint/stored-models.ts";
import { sameBytes } from "../kernels/calls.ts";
import { llamaConfig, llamaTensors, writeModel } from "../node/models.ts";
import {
  filesBelow,
  folderWith,
  goldenFolder,
  namesIn,
  quantize,
  quantwise,
  temporaryFolder,
} from "./quantwise.ts";

const SOURCE = goldenFolder("llama_tiny_bf16");
const NF4 = goldenFolder("llama_tiny_nf4_dq");

async function dequantize(args: readonly string[]) {
  const result = await quantwise(["dequantize", ...args]);
  if (result.code !== 0) throw new Error(`exit code ${result.code}: ${result.stderr}`);
  return result;
}

async function quantized(...flags: readonly string[]): Promise<string> {
  const out = join(temporaryFolder(), "quantized");
  await quantize([SOURCE, "-o", out, "--quiet", ...flags]);
  return out;
}

const json = (folder: string, name = "config.json") =>
  JSON.parse(readFileSync(join(folder, name), "utf8"));

describe.each([
  ["bitsandbytes, nf4", []],
  ["bitsandbytes, fp4", ["--quant-type=fp4", "--no-double-quant"]],
  ["bitsandbytes, llm-int8", ["--quant-type=llm-int8"]],
  ["compressed-tensors", ["--quant-type=int4", "--format=compressed-tensors", "--block-size=32"]],
  ["native, int4", ["--quant-type=int4"]],
  ["native, nvfp4", ["--quant-type=nvfp4"]],
] as const)("%s", (_, flags) => {
  it("becomes the model it was: its tensors' names, dtypes and shapes, and its config.json", async () => {
    const from = await quantized(...flags);
    const out = join(temporaryFolder(), "out");
    await dequantize([from, "-o", out]);
    expect(namesIn(out)).toEqual(["config.json", "model.safetensors"]);
    expect(json(out)).toEqual(json(SOURCE));
    const facts = (folder: string) =>
      readModel(folder).tensors.map(({ name, dtype, shape }) => `${name} ${dtype} [${shape}]`);
    expect(facts(out).sort()).toEqual(facts(SOURCE).sort());
    expect(readFile(readFileSync(join(out, "model.safetensors"))).metadata).toEqual({
      format: "pt",
    });
    // Small blocks of ordinary numbers come back close to what they were.
    const [before, after] = [SOURCE, out].map((folder) => {
      const { bytes } = readModel(folder).get("model.layers.0.mlp.up_proj.weight");
      const words = new Uint16Array(bytes.slice().buffer);
      return new Float32Array(Uint32Array.from(words, (word) => word << 16).buffer);
    }) as [Float32Array, Float32Array];
    let error = 0;
    let energy = 0;
    for (let i = 0; i < before.length; i++) {
      error += ((before[i] as number) - (after[i] as number)) ** 2;
      energy += (before[i] as number) ** 2;
    }
    expect(Math.sqrt(error / energy)).toBeLessThan(0.15);
  });

  it.each(["float32", "float16", "bfloat16"])(
    "is expanded to %s, which config.json says",
    async (dtype) => {
      const from = await quantized(...flags);
      const out = join(temporaryFolder(), "out");
      await dequantize([from, "-o", out, "--dtype", dtype]);
      expect(json(out)).toEqual({ ...json(SOURCE), torch_dtype: dtype });
      const names = { float32: "F32", float16: "F16", bfloat16: "BF16" };
      const stored = readModel(out);
      expect(stored.get("model.layers.1.self_attn.q_proj.weight").dtype).toBe(
        names[dtype as keyof typeof names],
      );
      // What was not quantized stays as it is.
      expect(stored.get("model.norm.weight").dtype).toBe("BF16");
    },
  );

  it("has the sizes that --dry-run tells", async () => {
    const from = await quantized(...flags);
    const folder = temporaryFolder();
    for (const more of [[], ["--dtype=float32"], ["--max-shard-size=50KB"]]) {
      const out = join(folder, `out${more.length}${more[0] ?? ""}`);
      const dry = await dequantize([from, "-o", out, "--dry-run", "--json", ...more]);
      expect(namesIn(folder)).not.toContain(`out${more.length}${more[0] ?? ""}`);
      const planned = JSON.parse(dry.stdout.toString());
      await dequantize([from, "-o", out, ...more]);
      const files = [...filesBelow(out)].filter(([name]) => name.endsWith(".safetensors"));
      expect(planned).toMatchObject({ dryRun: true, expanded: 14, copied: 7, output: out });
      expect(planned.files).toEqual(
        files.map(([name, bytes]) => ({ name, bytes: bytes.byteLength })),
      );
      expect(planned.bytesAfter).toBe(files.reduce((sum, [, bytes]) => sum + bytes.byteLength, 0));
    }
  });
});

describe("the output", () => {
  it("may be one file, the same as the directory's", async () => {
    const folder = temporaryFolder();
    await dequantize([NF4, "-o", join(folder, "out")]);
    await dequantize([NF4, "-o", join(folder, "one.safetensors")]);
    await dequantize([join(NF4, "model.safetensors"), "-o", join(folder, "two.safetensors")]);
    const expected = readFileSync(join(folder, "out/model.safetensors"));
    for (const name of ["one", "two"]) {
      sameBytes(readFileSync(join(folder, `${name}.safetensors`)), expected, name);
    }
  });

  it("has shards, an index of all tensors, and the same weights", async () => {
    const folder = temporaryFolder();
    await dequantize([NF4, "-o", join(folder, "one")]);
    await dequantize([NF4, "-o", join(folder, "many"), "--max-shard-size", "50KB"]);
    const [one, many] = [readModel(join(folder, "one")), readModel(join(folder, "many"))];
    expect(many.tensors).toHaveLength(one.tensors.length);
    for (const { name, bytes } of one.tensors) sameBytes(many.get(name).bytes, bytes, name);
    const { weight_map: map, metadata } = json(
      join(folder, "many"),
      "model.safetensors.index.json",
    );
    expect(Object.keys(map).sort()).toEqual(one.tensors.map(({ name }) => name).sort());
    expect(new Set(Object.values(map)).size).toBeGreaterThan(2);
    const total = one.tensors.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
    expect(metadata.total_size).toBe(total);
  });

  it("gets the tokenizer and whatever else lies beside the weights", async () => {
    const from = await quantized();
    folderWith(
      { "tokenizer.json": "{}", "assets/merges.txt": "a b\n", "pytorch_model.bin": "old" },
      from,
    );
    const out = join(temporaryFolder(), "out");
    await dequantize([from, "-o", out]);
    expect([...filesBelow(out).keys()]).toEqual([
      "assets/merges.txt",
      "config.json",
      "model.safetensors",
      "tokenizer.json",
    ]);
    expect(readFileSync(join(out, "assets/merges.txt"), "utf8")).toBe("a b\n");
  });

  it("has no config.json where the model has none, or the one of --config", async () => {
    const folder = temporaryFolder();
    const from = folderWith({
      "model.safetensors": readFileSync(join(NF4, "model.safetensors")),
    });
    await dequantize([from, "-o", join(folder, "none")]);
    expect(namesIn(join(folder, "none"))).toEqual(["model.safetensors"]);
    await dequantize([from, "-o", join(folder, "given"), "--config", join(NF4, "config.json")]);
    expect(json(join(folder, "given"))).toEqual(json(SOURCE));
  });

  it("sets whichever of dtype and torch_dtype config.json has", async () => {
    const weightsFile = readFileSync(join(NF4, "model.safetensors"));
    const { torch_dtype: _, ...rest } = json(NF4);
    for (const [given, expected] of [
      [{}, { dtype: "float16" }],
      [{ dtype: "bfloat16" }, { dtype: "float16" }],
      [{ torch_dtype: "bfloat16" }, { torch_dtype: "float16" }],
      [
        { dtype: "bfloat16", torch_dtype: "bfloat16" },
        { dtype: "float16", torch_dtype: "float16" },
      ],
    ]) {
      const from = folderWith({
        "model.safetensors": weightsFile,
        "config.json": JSON.stringify({ ...rest, ...given }),
      });
      const out = join(temporaryFolder(), "out");
      await dequantize([from, "-o", out, "--dtype", "float16"]);
      const { quantization_config: gone, ...kept } = rest;
      expect(gone).toBeDefined();
      expect(json(out)).toEqual({ ...kept, ...expected });
    }
  });

  it("is not written over what is there, unless that is asked for", async () => {
    const folder = folderWith({
      "out/config.json": "{}",
      "out/old.safetensors": "old",
      "out.safetensors": "old",
    });
    for (const out of ["out", "out.safetensors"]) {
      const before = filesBelow(folder);
      const { code, stderr } = await quantwise(["dequantize", NF4, "-o", join(folder, out)]);
      expect(stderr).toMatch(/already exists; remove it, or pass --overwrite/);
      expect(code).toBe(1);
      expect(filesBelow(folder)).toEqual(before);
      await dequantize([NF4, "-o", join(folder, out), "--overwrite"]);
    }
    expect(namesIn(folder)).toEqual(["out", "out.safetensors"]);
    expect(namesIn(join(folder, "out"))).toEqual(["config.json", "model.safetensors"]);
  });

  it("does not touch its own input", async () => {
    const from = await quantized();
    const before = filesBelow(from);
    for (const out of [from, join(from, "below")]) {
      const { code, stderr } = await quantwise(["dequantize", from, "-o", out, "--overwrite"]);
      expect(stderr).toMatch(/a place of its own/);
      expect(code).toBe(2);
      expect(filesBelow(from)).toEqual(before);
    }
  });
});

describe("what is said", () => {
  it("is a summary in words or JSON, and nothing with --quiet", async () => {
    const folder = temporaryFolder();
    const text = await dequantize([NF4, "-o", join(folder, "a")]);
    expect(text.stdout.toString()).toMatch(/^wrote .*\n {2}tensors {3}14 expanded, 7 copied\n/);
    expect(text.stderr).toMatch(/up_proj\.weight \[128, 64\]: nf4 -> BF16/);
    const quiet = await dequantize([NF4, "-o", join(folder, "b"), "--quiet"]);
    expect([quiet.stdout.toString(), quiet.stderr]).toEqual(["", ""]);
    const { stdout } = await dequantize([NF4, "-o", join(folder, "c"), "--json", "--quiet"]);
    const bytes = readFileSync(join(folder, "c/model.safetensors")).byteLength;
    expect(JSON.parse(stdout.toString())).toMatchObject({
      input: NF4,
      output: join(folder, "c"),
      dryRun: false,
      bytesAfter: bytes,
      files: [{ name: "model.safetensors", bytes }],
      kernels: { name: "wasm" },
    });
  });

  it.each([
    ["a stream in", ["-", "-o", "x"], /model: expected a file or a directory/],
    ["a stream out", [NF4, "-o", "-"], /output: expected a file or a directory/],
    ["an unknown dtype", [NF4, "-o", "x", "--dtype", "int8"], /float32, float16, bfloat16/],
    ["no output", [NF4], /required option '-o/],
    ["no model", ["-o", "x"], /missing required argument 'model'/],
    ["a bad shard size", [NF4, "-o", "x", "--max-shard-size", "many"], /max-shard-size/],
  ])("of %s is that the command line is wrong", async (_, args, said) => {
    const cwd = temporaryFolder();
    const { code, stderr } = await quantwise(["dequantize", ...args], { cwd });
    expect(stderr).toMatch(said);
    expect(code).toBe(2);
    expect(namesIn(cwd)).toEqual([]);
  });

  it.each([
    ["a model that is not quantized", SOURCE, /nothing in this checkpoint is quantized in a form/],
    ["a model that is not there", join(NF4, "missing"), /cannot open .*missing/],
  ])("of %s is a failure", async (_, input, said) => {
    const folder = temporaryFolder();
    const { code, stderr } = await quantwise(["dequantize", input, "-o", join(folder, "out")]);
    expect(stderr).toMatch(said);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(code).toBe(1);
    expect(namesIn(folder)).toEqual([]);
  });

  it("of quantizing twice is what to do instead", async () => {
    const model = writeModel(
      join(temporaryFolder(), "model"),
      llamaTensors({ layers: 1 }),
      llamaConfig(),
    );
    const folder = temporaryFolder();
    await quantize([model, "-o", join(folder, "native"), "--quant-type=mxfp4", "--quiet"]);
    const bare = folderWith({
      "model.safetensors": readFileSync(join(folder, "native/model.safetensors")),
    });
    for (const [from, said] of [
      [join(folder, "native"), /already quantized \(quantization_config: quantwise\)/],
      [bare, /already quantized: .*is in quantwise's own format/],
      [join(bare, "model.safetensors"), /already quantized: .*is in quantwise's own format/],
    ] as const) {
      const { code, stderr } = await quantwise(["quantize", from, "-o", join(folder, "twice")]);
      expect(stderr).toMatch(said);
      expect(stderr).toMatch(/original weights, or expand it .*quantwise dequantize/);
      expect(stderr).not.toMatch(/\n\s+at /);
      expect(code).toBe(1);
      expect(namesIn(folder)).toEqual(["native"]);
    }
    const out = join(folder, "plain");
    await dequantize([join(folder, "native"), "-o", out]);
    await quantize([out, "-o", join(folder, "again"), "--quiet"]);
  });
});

describe("bad input", () => {
  it("is refused with its file and tensor, exit code 1, and nothing left behind", async () => {
    const W = "model.layers.0.mlp.up_proj.weight";
    const from = await quantized("--quant-type=int8");
    const path = join(from, "model.safetensors");
    const file = readFileSync(path);
    // Same length: the zero points' name is another one's now.
    const at = file.indexOf(`${W}.zero_point"`);
    file.write(`${W}.zero_paint`, at);
    writeFileSync(path, file);
    const folder = temporaryFolder();
    for (const out of ["out", "out.safetensors", "a/b/out"]) {
      const args = ["dequantize", from, "-o", join(folder, out)];
      const { code, stdout, stderr } = await quantwise(args);
      expect(stderr).toContain(
        `model.safetensors, tensor "${W}": its part "${W}.zero_point" is missing`,
      );
      expect(stderr).not.toMatch(/\n\s+at /);
      expect(code).toBe(1);
      expect(stdout.byteLength).toBe(0);
      expect(namesIn(folder)).toEqual([]);
    }
  });

  it("that is cut short is refused", async () => {
    const from = await quantized();
    truncateSync(join(from, "model.safetensors"), 50_000);
    const folder = temporaryFolder();
    const { code, stderr } = await quantwise(["dequantize", from, "-o", join(folder, "out")]);
    expect(stderr).toMatch(/model\.safetensors.*(truncated|ends|bytes)/);
    expect(code).toBe(1);
    expect(namesIn(folder)).toEqual([]);
  });

  it("of a newer version says so", async () => {
    const from = await quantized("--quant-type=int8");
    const path = join(from, "model.safetensors");
    const file = readFileSync(path);
    file.write('{\\"version\\":7,', file.indexOf('{\\"version\\":1,'));
    writeFileSync(path, file);
    const { code, stderr } = await quantwise([
      "dequantize",
      from,
      "-o",
      join(temporaryFolder(), "o"),
    ]);
    expect(stderr).toMatch(
      /native format has version 7, .* reads version 1; use a newer quantwise/,
    );
    expect(code).toBe(1);
  });
});

describe("an interrupted job", () => {
  const TENSORS = 100;
  const SIDE = 1024;

  /** A hundred fp8 tensors of zeros; a sparse file takes no room. */
  function largeModel(): string {
    const folder = join(temporaryFolder(), "large");
    mkdirSync(folder);
    const names = Array.from(
      { length: TENSORS },
      (_, i) => `layers.${String(i).padStart(3, "0")}.w`,
    );
    const tensors: Record<string, unknown> = {};
    const codeBytes = SIDE * SIDE;
    names.forEach((name, i) => {
      tensors[name] = {
        dtype: "F8_E4M3",
        shape: [SIDE, SIDE],
        data_offsets: [i * codeBytes, (i + 1) * codeBytes],
      };
    });
    const scales = TENSORS * codeBytes;
    names.forEach((name, i) => {
      tensors[`${name}.scale`] = {
        dtype: "F32",
        shape: [],
        data_offsets: [scales + 4 * i, scales + 4 * (i + 1)],
      };
    });
    const weight = { coding: 0, dtype: "float32", shape: [SIDE, SIDE] };
    const quantwise_ = JSON.stringify({
      version: 1,
      codings: [{ quantType: "fp8-e4m3", granularity: "tensor" }],
      tensors: Object.fromEntries(names.map((name) => [name, weight])),
    });
    const metadata = { format: "pt", quantwise: quantwise_ };
    const header = Buffer.from(JSON.stringify({ __metadata__: metadata, ...tensors }));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.byteLength));
    const fd = openSync(join(folder, "model.safetensors"), "w");
    writeSync(fd, Buffer.concat([length, header]));
    ftruncateSync(fd, 8 + header.byteLength + scales + 4 * TENSORS);
    closeSync(fd);
    return folder;
  }

  const large = largeModel();

  function onFirstTensor(child: ChildProcess, act: () => void): void {
    let text = "";
    const listen = (chunk: Buffer) => {
      text += chunk.toString();
      if (!/^\[ *1\/100\]/m.test(text)) return;
      child.stderr?.off("data", listen);
      act();
    };
    child.stderr?.on("data", listen);
  }

  it.each([
    ["SIGINT", "out"],
    ["SIGINT", "out.safetensors"],
    ["SIGTERM", "out"],
  ] as const)("by %s leaves no %s, and says so", async (signal, out) => {
    const folder = temporaryFolder();
    let beside: string[] = [];
    const { code, stderr } = await quantwise(["dequantize", large, "-o", join(folder, out)], {
      onStart: (child) => {
        onFirstTensor(child, () => {
          beside = namesIn(folder);
          child.kill(signal);
        });
      },
    });
    expect(code).toBe(130);
    expect(stderr).toContain(`interrupted by ${signal}; nothing was left behind`);
    expect(beside).toHaveLength(1);
    expect(beside[0]).toMatch(/^\.out.*\.partial$/);
    expect(namesIn(folder)).toEqual([]);
  });

  it("leaves what --overwrite was to replace", async () => {
    const folder = folderWith({ "out/config.json": "{}", "out/model.safetensors": "old" });
    const before = filesBelow(folder);
    const args = ["dequantize", large, "-o", join(folder, "out"), "--overwrite"];
    const { code } = await quantwise(args, {
      onStart: (child) => onFirstTensor(child, () => child.kill("SIGINT")),
    });
    expect(code).toBe(130);
    expect(filesBelow(folder)).toEqual(before);
  });
});

describe("a wide matrix", () => {
  it("is expanded in tiles, one row being longer than a tile", async () => {
    const tensors = [weights("fc1.weight", [3, 300_001], "BF16", { seed: 11 })];
    const model = writeModel(join(temporaryFolder(), "model"), tensors, null);
    const folder = temporaryFolder();
    for (const type of ["int4", "llm-int8"]) {
      const [from, wasm, plain] = ["", "-wasm", "-plain"].map((more) =>
        join(folder, type + more),
      ) as [string, string, string];
      await quantize([model, "-o", from, "--quant-type", type, "--quiet"]);
      await dequantize([from, "-o", wasm, "--quiet"]);
      await dequantize([from, "-o", plain, "--quiet", "--kernels=reference"]);
      const name = "fc1.weight";
      sameBytes(readModel(wasm).get(name).bytes, readModel(plain).get(name).bytes, type);
    }
  }, 30_000);
});
