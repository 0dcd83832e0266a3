import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { quantwise, temporaryFolder } from "./quantwise.ts";

const golden = new URL("../vectors/checkpoints/", import.meta.url).pathname;
const source = join(golden, "llama_tiny_bf16");

it("--config gives a stream the config that it has not: the golden files come out", async () => {
  const out = join(temporaryFolder(), "out");
  const input = readFileSync(join(source, "model.safetensors"));
  const words = ["quantize", "-", "-o", out, "--config", join(source, "config.json")];
  const { code, stderr } = await quantwise(words, { stdin: input });
  expect(stderr).not.toContain("incomplete");
  expect(code).toBe(0);
  for (const name of ["model.safetensors", "config.json"]) {
    const expected = readFileSync(join(golden, "llama_tiny_nf4_dq", name));
    expect(readFileSync(join(out, name)).equals(expected)).toBe(true);
  }
});

it("--config that is not there is refused by its name", async () => {
  const out = join(temporaryFolder(), "out");
  const words = ["quantize", source, "-o", out, "--config", "/nowhere/config.json"];
  const { code, stderr } = await quantwise(words);
  expect(code).toBe(1);
  expect(stderr).toContain("/nowhere/config.json: it does not exist");
});
