import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readFile, referenceFile } from "../checkpoint/safetensors-files.ts";
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

const tensors = llamaTensors({ layers: 1 });
const model = writeModel(join(temporaryFolder(), "model"), tensors);
const modelFile = join(model, "model.safetensors");

describe.concurrent("a wrong command line", () => {
  const out = ["-o", join(temporaryFolder(), "never")];

  it.each([
    ["no command", [], /Usage: quantwise/],
    ["an unknown command", ["quantise"], /unknown command 'quantise'.*quantize/s],
    ["no model", ["quantize", ...out], /missing required argument 'model'/],
    ["no output", ["quantize", model], /required option '-o, --output <out>'/],
    ["two models", ["quantize", model, model, ...out], /too many arguments/],
    [
      "an unknown flag",
      ["quantize", model, ...out, "--quantype", "nf4"],
      /unknown option '--quantype'.*--quant-type/s,
    ],
    [
      "a wrong type",
      ["quantize", model, ...out, "--quant-type", "int3"],
      /quant-type.*'int3'.*nf4, fp4, .*llm-int8, int4, .*fp8-e5m2/,
    ],
    [
      "a wrong block size",
      ["quantize", model, ...out, "--block-size", "63"],
      /block-?size.*32, 64, 128.*63/i,
    ],
    [
      "no number",
      ["quantize", model, ...out, "--block-size", "many"],
      /--block-size.*whole number.*"many"/,
    ],
    [
      "a wrong storage",
      ["quantize", model, ...out, "--quant-storage", "int8"],
      /quant-storage.*'int8'.*uint8/,
    ],
    ["a wrong mode", ["quantize", model, ...out, "--mode", "rocm"], /mode.*'rocm'.*torch, cuda/],
    [
      "a wrong dtype",
      ["quantize", model, ...out, "--compute-dtype", "f32"],
      /compute-dtype.*'f32'.*float32/,
    ],
    [
      "a rule without a type",
      ["quantize", model, ...out, "--rule", "**.mlp.**"],
      /--rule.*GLOB=nf4\|fp4\|.*\|copy/,
    ],
    [
      "a rule of another type",
      ["quantize", model, ...out, "--rule", "**=int3"],
      /--rule.*GLOB=nf4\|fp4\|.*\|copy/,
    ],
    ["an empty glob", ["quantize", model, ...out, "--exclude", ""], /exclude.*glob/],
    [
      "a wrong size",
      ["quantize", model, ...out, "--max-shard-size", "5 apples"],
      /--max-shard-size.*5GB/,
    ],
    ["a size of nothing", ["quantize", model, ...out, "--max-shard-size", "0"], /--max-shard-size/],
  ] as const)("is told of and exits with 2: %s", async (_, args, message) => {
    const { code, stdout, stderr } = await quantwise(args);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(stdout.toString()).toBe("");
    expect(code).toBe(2);
  });

  it("helps, and exits with 0", async () => {
    const { code, stdout } = await quantwise(["quantize", "--help"]);
    expect(code).toBe(0);
    for (const flag of [
      "--quant-type --block-size --double-quant --no-double-quant --quant-storage --mode",
      "--compute-dtype --exclude --rule --include --max-shard-size --overwrite --dry-run",
      "--json --quiet --allow-non-finite --output",
    ].flatMap((line) => line.split(" "))) {
      expect(stdout.toString()).toContain(flag);
    }
  });
});

describe("what is said", () => {
  it("is a line a tensor on stderr, and the summary on stdout", async () => {
    const out = join(temporaryFolder(), "out");
    const { stdout, stderr } = await quantize([model, "-o", out]);
    const lines = stderr.trim().split("\n");
    expect(lines).toHaveLength(tensors.length);
    for (const { name } of tensors) expect(stderr).toContain(` ${name} BF16 [`);
    expect(stderr).toMatch(/\[12\/12\]/);
    const text = stdout.toString();
    expect(text).toContain(`wrote ${out}`);
    expect(text).toMatch(/7 quantized \(7 nf4\), 5 copied/);
    expect(text).toMatch(/bits +\d+\.\d{3} per quantized weight/);
    expect(text).toMatch(/worst +model\.layers\.0\..*error \d/);
    expect(text).toMatch(/on wasm kernels/);
  });

  it("is one line of JSON with --json", async () => {
    const out = join(temporaryFolder(), "out");
    const { stdout, stderr } = await quantize([model, "-o", out, "--json"]);
    const lines = stdout.toString().split("\n");
    expect(lines).toHaveLength(2);
    const bytes = readFileSync(join(out, "model.safetensors")).byteLength;
    const summary = JSON.parse(lines[0] as string);
    expect(summary).toMatchObject({
      input: model,
      output: out,
      dryRun: false,
      files: [{ name: "model.safetensors", bytes }],
      bytesAfter: bytes,
      slackBytes: 0,
      exact: true,
      tensors: { copy: 5, nf4: 7 },
      kernels: { name: "wasm" },
      warnings: [],
    });
    const before = tensors.reduce((sum, tensor) => sum + tensor.bytes.byteLength, 0);
    expect(summary.bytesBefore).toBe(before);
    expect(summary.seconds).toBeGreaterThan(0);
    expect(summary.worst.name).toMatch(/_proj\.weight$/);
    expect(summary.worst.relativeRms).toBeGreaterThan(0.05);
    expect(summary.worst.relativeRms).toBeLessThan(0.15);
    // The tables weigh much in a tiny model; codes and absmax are 4.5 bits or so.
    expect(summary.bitsPerWeight).toBeGreaterThan(4);
    expect(stderr).toContain("up_proj");
  });

  it("is nothing with --quiet, and JSON alone with both", async () => {
    const folder = temporaryFolder();
    const quiet = await quantize([model, "-o", join(folder, "a"), "--quiet"]);
    expect(quiet.stderr + quiet.stdout.toString()).toBe("");
    const both = await quantize([model, "-o", join(folder, "b"), "--quiet", "--json"]);
    expect(both.stderr).toBe("");
    expect(JSON.parse(both.stdout.toString())).toMatchObject({ dryRun: false });
    const failed = await quantwise(["quantize", model, "-o", join(folder, "a"), "--quiet"]);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(/already exists/);
  });

  it("never mixes with the bytes on standard output", async () => {
    const { stdout, stderr } = await quantize([modelFile, "-o", "-"]);
    expect(readFile(stdout).tensors.length).toBeGreaterThan(20);
    expect(stderr).toMatch(/wrote -|wrote standard output/);
    const json = await quantize(["-", "-o", "-", "--json"], { stdin: readFileSync(modelFile) });
    expect(Buffer.compare(json.stdout, stdout)).toBe(0);
    expect(JSON.parse(json.stderr)).toMatchObject({
      input: "-",
      output: "-",
      bytesAfter: json.stdout.byteLength,
    });
  });

  it("warns of an incomplete config, of block size 32, and of a choice of nothing", async () => {
    const folder = temporaryFolder();
    const bare = folderWith({ "model.safetensors": readFileSync(modelFile) });
    const flags = ["--block-size", "32", "--exclude", "**"];
    const none = await quantize([bare, "-o", join(folder, "none"), ...flags]);
    expect(none.stderr).toMatch(/warning: the input has no config\.json/);
    expect(none.stderr).toMatch(/warning: no tensor is selected/);
    const small = await quantize([model, "-o", join(folder, "small"), "--block-size", "32"]);
    expect(small.stderr).toMatch(/warning: .*mistral\.rs/);
  });
});

describe("--dry-run", () => {
  it("creates nothing and tells the size", async () => {
    const folder = temporaryFolder();
    for (const out of ["out", "out.safetensors", "a/b/out", "-"]) {
      const path = out === "-" ? out : join(folder, out);
      const { stdout, stderr } = await quantize([model, "-o", path, "--dry-run", "--json"]);
      // Standard output is for the file where the file goes there, in a dry run too.
      const [said, silent] = out === "-" ? [stderr, stdout] : [stdout, stderr];
      const summary = JSON.parse(said.toString());
      expect(summary).toMatchObject({ dryRun: true, exact: out === "-" });
      expect(summary.slackBytes > 0).toBe(out !== "-");
      expect(silent.toString()).toBe("");
    }
    expect(namesIn(folder)).toEqual([]);
    const text = await quantize([model, "-o", join(folder, "out"), "--dry-run"]);
    expect(text.stdout.toString()).toMatch(/would write .* at most \d+ bytes|at least \d+/);
  });

  it("is exact for standard output", async () => {
    const dry = await quantize([model, "-o", "-", "--dry-run", "--json"]);
    const real = await quantize([model, "-o", "-", "--quiet"]);
    expect(JSON.parse(dry.stderr).bytesAfter).toBe(real.stdout.byteLength);
  });

  it("refuses what the real run refuses", async () => {
    const folder = temporaryFolder();
    const existing = folderWith({ "out/file": "x" }, folder);
    const args = ["quantize", model, "-o", join(existing, "out"), "--dry-run"];
    expect((await quantwise(args)).code).toBe(1);
    const quantized = goldenFolder("llama_tiny_nf4");
    const again = await quantwise(["quantize", quantized, "-o", join(folder, "x"), "--dry-run"]);
    expect(again.code).toBe(1);
    expect(again.stderr).toMatch(/already quantized/);
  });

  it("reads only the header of a stream", async () => {
    const stdin = referenceFile(tensors);
    const { stdout } = await quantize(["-", "-o", "out", "--dry-run", "--json"], { stdin });
    expect(JSON.parse(stdout.toString())).toMatchObject({ tensors: { nf4: 7 } });
  });
});

describe("--overwrite", () => {
  it.each([
    ["out", { "out/model.safetensors": "old", "out/config.json": "{}", "out/stale.json": "{}" }],
    ["out.safetensors", { "out.safetensors": "old" }],
  ])("is needed for an existing %s, and replaces it as a whole", async (out, files) => {
    const folder = folderWith(files);
    const before = filesBelow(folder);
    const refused = await quantwise(["quantize", model, "-o", join(folder, out)]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/already exists.*--overwrite/);
    expect(filesBelow(folder)).toEqual(before);

    await quantize([model, "-o", join(folder, out), "--overwrite"]);
    const names = [...filesBelow(folder).keys()];
    const fresh = out === "out" ? ["out/config.json", "out/model.safetensors"] : [out];
    expect(names).toEqual(fresh);
    expect(readFile(readFileSync(join(folder, fresh.at(-1) as string))).tensors.length).toBe(47);
  });

  it("is not needed for an empty directory", async () => {
    const folder = temporaryFolder();
    await quantize([model, "-o", folder]);
    expect(namesIn(folder)).toEqual(["config.json", "model.safetensors"]);
  });

  it("does not make a file of a directory, nor the other way round", async () => {
    const folder = folderWith({ "out.safetensors/file": "x", out: "text" });
    const before = filesBelow(folder);
    for (const [out, message] of [
      ["out.safetensors", /is a directory, and the output is a file/],
      ["out", /is a file, and the output is a directory/],
    ] as const) {
      const args = ["quantize", model, "-o", join(folder, out), "--overwrite"];
      const { code, stderr } = await quantwise(args);
      expect(code).toBe(1);
      expect(stderr).toMatch(message);
    }
    expect(filesBelow(folder)).toEqual(before);
  });

  it("spares a directory that is no model", async () => {
    const folder = folderWith({ "out/thesis.tex": "years of work" });
    const args = ["quantize", model, "-o", join(folder, "out"), "--overwrite"];
    const { code, stderr } = await quantwise(args);
    expect(code).toBe(1);
    expect(stderr).not.toBe("");
    expect(filesBelow(folder).get("out/thesis.tex")?.toString()).toBe("years of work");
  });

  it("never touches the input", async () => {
    const before = filesBelow(model);
    for (const out of [model, join(model, "inside"), join(model, "..")]) {
      const args = ["quantize", model, "-o", out, "--overwrite"];
      expect((await quantwise(args)).code).toBeGreaterThan(0);
    }
    expect(filesBelow(model)).toEqual(before);
  });
});

describe("the selection flags", () => {
  it("may be repeated; exclude comes before rule, rule before include", async () => {
    const out = join(temporaryFolder(), "out");
    await quantize([
      model,
      "-o",
      out,
      "--exclude=**.q_proj.*",
      "--exclude=**.k_proj.*",
      "--rule=**.self_attn.**=fp4",
      "--rule=**.v_proj.*=copy",
      "--include=**.up_proj.*",
      "--include=**.q_proj.*",
      "--include=lm_head.*",
    ]);
    const states = readFile(readFileSync(join(out, "model.safetensors")))
      .tensors.map(({ name }) => name)
      .filter((name) => name.includes("quant_state"))
      .sort();
    expect(states).toEqual([
      "lm_head.weight.quant_state.bitsandbytes__nf4",
      "model.layers.0.mlp.up_proj.weight.quant_state.bitsandbytes__nf4",
      "model.layers.0.self_attn.o_proj.weight.quant_state.bitsandbytes__fp4",
      "model.layers.0.self_attn.v_proj.weight.quant_state.bitsandbytes__fp4",
    ]);
  });

  it("tell what cannot be done", async () => {
    const out = join(temporaryFolder(), "out");
    const args = ["quantize", model, "-o", out, "--rule", "model.norm.weight=llm-int8"];
    const { code, stderr } = await quantwise(args);
    expect(code).toBe(1);
    expect(stderr).toMatch(/"model\.norm\.weight".*llm-int8.*rank 2/);
  });
});

describe("--max-shard-size", () => {
  it.each([
    ["30000", 30_000],
    ["30kB", 30_000],
    ["30KB", 30_000],
    ["0.03MB", 30_000],
    ["30KiB", 30_720],
    ["1GB", 1e9],
    ["1GiB", 2 ** 30],
  ])("takes %s", async (text, limit) => {
    const out = join(temporaryFolder(), "out");
    const args = [model, "-o", out, "--max-shard-size", text, "--json", "--quiet"];
    const { stdout } = await quantize(args);
    const { files } = JSON.parse(stdout.toString()) as { files: { name: string }[] };
    if (limit > 1e6) expect(files).toHaveLength(1);
    else expect(files.length).toBeGreaterThan(1);
    for (const { name } of files) {
      const file = readFile(readFileSync(join(out, name)));
      const dataBytes = file.tensors.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
      expect(dataBytes).toBeLessThanOrEqual(limit);
    }
  });

  it("splits a stream into the shards of the file", async () => {
    const folder = temporaryFolder();
    const flags = ["--max-shard-size", "30kB"];
    const stdin = readFileSync(modelFile);
    await quantize(["-", "-o", join(folder, "streamed"), ...flags], { stdin });
    const bare = folderWith({ "model.safetensors": stdin });
    await quantize([bare, "-o", join(folder, "converted"), ...flags]);
    expect(filesBelow(join(folder, "streamed"))).toEqual(filesBelow(join(folder, "converted")));
  });
});

describe("names", () => {
  it("with spaces, dashes and other letters are taken as they are", async () => {
    const folder = temporaryFolder();
    const input = writeModel(join(folder, "mein Modell ß 模型"), tensors);
    const out = join(folder, "-out 'x' \"y\"");
    await quantize([input, "-o", out]);
    expect(namesIn(out)).toEqual(["config.json", "model.safetensors"]);
    await quantize(["mein Modell ß 模型", "-o", "./-"], { cwd: folder });
    expect(namesIn(join(folder, "-"))).toEqual(["config.json", "model.safetensors"]);
  });

  it("may be links, on both sides", async () => {
    const folder = temporaryFolder();
    symlinkSync(model, join(folder, "in"));
    await quantize(["in", "-o", "out"], { cwd: folder });
    writeFileSync(join(folder, "real.safetensors"), "old");
    symlinkSync(join(folder, "real.safetensors"), join(folder, "link.safetensors"));
    await quantize(["in", "-o", "link.safetensors", "--overwrite"], { cwd: folder });
    expect(readFileSync(join(folder, "real.safetensors")).toString()).toBe("old");
    const file = readFileSync(join(folder, "link.safetensors"));
    expect(Buffer.compare(file, readFileSync(join(folder, "out/model.safetensors")))).toBe(0);
  });

  it("of tensors cannot steer the terminal", async () => {
    const evil = "layers.0.\u001b[2J\u202e.weight";
    const odd = tensors.map((tensor, i) => (i === 0 ? { ...tensor, name: evil } : tensor));
    const input = writeModel(join(temporaryFolder(), "model"), odd, llamaConfig());
    const { stdout, stderr } = await quantize([input, "-o", join(temporaryFolder(), "out")]);
    expect(stderr).toContain("\\u001b[2J\\u202e");
    for (const character of ["\u001b", "\u202e"]) {
      expect(`${stderr}${stdout}`.includes(character)).toBe(false);
    }
  });
});
