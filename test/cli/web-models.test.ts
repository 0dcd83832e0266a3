/** The command on models at addresses: nothing secret is told, nothing but the output is written. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { llamaTensors, writeModel, writeShards } from "../node/models.ts";
import { fakeHub, folderServer } from "../web/fake-hub.ts";
import { rangeOf, sendFile, serve } from "../web/server.ts";
import {
  type Finished,
  filesBelow,
  folderWith,
  namesIn,
  quantwise,
  temporaryFolder,
} from "./quantwise.ts";

const tensors = llamaTensors();
const halves = [0, 1].map((i) => tensors.filter((_, at) => at % 2 === i));
const besides = { "tokenizer.json": "{}" };
const shardedFolder = folderWith(besides, writeShards(join(temporaryFolder(), "m"), halves));
const sharded = filesBelow(shardedFolder);
const single = filesBelow(writeModel(join(temporaryFolder(), "m"), tensors));

/** The environment, without what could speak to the real Hub. */
function environment(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { HF_TOKEN: _, HUGGING_FACE_HUB_TOKEN: __, HF_ENDPOINT: ___, ...rest } = process.env;
  return { ...rest, ...more };
}

const all = ({ stdout, stderr }: Finished) => `${stdout}${stderr}`;

describe("a model of the Hub", () => {
  it("is quantized as the same one on disk, by name", async () => {
    const { hub } = await fakeHub({ files: sharded, token: "hf_secret" });
    const folder = temporaryFolder();
    const env = environment({ HF_ENDPOINT: hub.origin, HF_TOKEN: "hf_secret" });
    const args = ["quantize", "hf:org/name", "-o", join(folder, "remote"), "--json"];
    const finished = await quantwise(args, { env });
    expect(finished.stderr).toMatch(/\[ *8\/21\] model\.layers\.0/);
    expect(finished.code).toBe(0);
    expect(JSON.parse(finished.stdout.toString()).input).toBe("hf:org/name");
    expect(all(finished)).not.toContain("secret");
    await quantwise(["quantize", shardedFolder, "-o", join(folder, "local")], { env });
    expect(filesBelow(join(folder, "remote"))).toEqual(filesBelow(join(folder, "local")));
  });

  it("leaves nothing on the disk but the output", async () => {
    const { hub } = await fakeHub({ files: sharded });
    const folder = temporaryFolder();
    const home = temporaryFolder();
    const env = environment({ HF_ENDPOINT: hub.origin, HOME: home, TMPDIR: home });
    // Node itself forbids to write anywhere else.
    const permission = process.allowedNodeEnvironmentFlags.has("--permission")
      ? "--permission"
      : "--experimental-permission";
    const nodeArgs = [permission, "--allow-fs-read=*", `--allow-fs-write=${join(folder, "*")}`];
    if (process.allowedNodeEnvironmentFlags.has("--allow-net")) nodeArgs.push("--allow-net");
    const args = ["quantize", "hf:org/name", "-o", join(folder, "out")];
    const finished = await quantwise(args, { env, cwd: home, nodeArgs });
    expect(finished.stderr).toContain("model.layers.0");
    expect(finished.code).toBe(0);
    expect(namesIn(folder)).toEqual(["out"]);
    expect(namesIn(join(folder, "out"))).toEqual([
      "config.json",
      "model.safetensors",
      "tokenizer.json",
    ]);
    expect(namesIn(home)).toEqual([]);
  });

  it("that is gated asks for a token, and gets it from a file", async () => {
    const { hub } = await fakeHub({ files: sharded, token: "hf_secret" });
    const env = environment({ HF_ENDPOINT: hub.origin });
    const refused = await quantwise(["plan", "hf:org/name"], { env });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/access is refused \(status 401, Access to model.*HF_TOKEN/);
    const file = join(folderWith({ token: "hf_secret\n" }), "token");
    const given = await quantwise(["plan", "hf:org/name", "--token-file", file], { env });
    expect(given.code).toBe(0);
    expect(given.stdout.toString()).toContain("hf:org/name: ");
    const wrong = join(folderWith({ token: "hf_other_secret\n" }), "token");
    const denied = await quantwise(["plan", "hf:org/name", "--token-file", wrong], { env });
    expect(denied.stderr).toMatch(/status 403, Your request.*The token was sent/);
    expect(all(denied)).not.toContain("other_secret");
  });

  it.each([
    ["hf:org/name/extra", 2, /model: expected "hf:org\/name" or "hf:org\/name@revision"/],
    ["hf:org/name@nope", 1, /hf:org\/name@nope: there is no such model, or no such revision/],
  ])("is refused for %s", async (name, code, expected) => {
    const { hub } = await fakeHub({ files: sharded });
    const env = environment({ HF_ENDPOINT: hub.origin });
    const folder = temporaryFolder();
    const finished = await quantwise(["quantize", name, "-o", join(folder, "out")], { env });
    expect(finished.code).toBe(code);
    expect(finished.stderr).toMatch(expected);
    expect(finished.stderr).not.toMatch(/\n\s+at /);
    expect(namesIn(folder)).toEqual([]);
  });
});

describe("a URL's secrets", () => {
  it("are in no output of any command", async () => {
    const server = await folderServer(single);
    const url = `${server.origin}/model.safetensors?X-Amz-Signature=secret#secret`;
    const folder = temporaryFolder();
    const env = environment();
    const out = join(folder, "out.safetensors");
    const html = join(folder, "report.html");
    const jobs = [
      ["quantize", url, "-o", out, "--json"],
      ["inspect", url],
      ["inspect", url, "--json"],
      ["plan", url],
      ["plan", url, "--json"],
      ["compare", url, out],
      ["compare", url, out, "--json", "--html", html],
      ["dequantize", out, "-o", join(folder, "plain.safetensors"), "--json"],
    ];
    for (const args of jobs) {
      const finished = await quantwise(args, { env });
      expect(finished.stderr).not.toContain("quantwise: ");
      expect(finished.code).toBe(0);
      expect(all(finished)).not.toContain("secret");
    }
    expect(readFileSync(html, "utf8")).not.toContain("secret");
    expect(server.requests.some(({ path }) => path.includes("secret"))).toBe(true);
  }, 60_000);

  it("are in no error", async () => {
    const server = await folderServer(new Map());
    const { origin } = server;
    const folder = temporaryFolder();
    const env = environment();
    for (const url of [
      `${origin}/model.safetensors?sig=secret`,
      `${origin.replace("//", "//user:secret@")}/model.safetensors`,
      `${origin}/folder/?sig=secret`,
      "https://user:secret@[/model",
    ]) {
      const finished = await quantwise(["quantize", url, "-o", join(folder, "out")], { env });
      expect(finished.code).not.toBe(0);
      expect(finished.stderr).toMatch(/^quantwise: /);
      expect(all(finished)).not.toContain("secret");
    }
    expect(namesIn(folder)).toEqual([]);
  });
});

describe("--token-file", () => {
  const file = join(folderWith({ token: "hf_secret", empty: "\n", words: "hf secret\n" }), "token");

  it("is for models at addresses", async () => {
    const args = ["plan", shardedFolder, "--token-file", file];
    const { code, stderr } = await quantwise(args, { env: environment() });
    expect(code).toBe(2);
    expect(stderr).toMatch(/token-file: expected a URL or hf:org\/name as the model, received/);
  });

  it.each([
    ["empty", 2, /token-file: expected a file with a token/],
    ["words", 2, /token: expected a token of visible ASCII characters, on one line/],
    ["missing", 1, /cannot read .*missing: it does not exist/],
  ])("%s is refused without showing it", async (name, code, expected) => {
    const server = await folderServer(single);
    const args = ["plan", server.origin, "--token-file", join(file, "..", name)];
    const finished = await quantwise(args, { env: environment() });
    expect(finished.code).toBe(code);
    expect(finished.stderr).toMatch(expected);
    expect(all(finished)).not.toContain("secret");
    expect(server.requests).toEqual([]);
  });

  it("is the only way: a token on the command line is refused, and not shown", async () => {
    const args = ["plan", "hf:org/name", "--token", "hf_secret"];
    const { code, stderr } = await quantwise(args, { env: environment() });
    expect(code).toBe(2);
    expect(stderr).toContain("unknown option '--token'");
    expect(stderr).not.toContain("secret");
  });
});

describe("an interrupted job", () => {
  it.each(["SIGINT", "SIGTERM"] as const)(
    "by %s lets go of the server and leaves nothing",
    async (signal) => {
      const bytes = single.get("model.safetensors") as Buffer;
      const server = await serve((request, response, count) => {
        if (request.url !== "/model.safetensors") {
          response.writeHead(404);
          response.end();
        } else if (count < 2) sendFile(request, response, bytes);
        else {
          const { start, end } = rangeOf(request, bytes.byteLength) as {
            start: number;
            end: number;
          };
          const range = `bytes ${start}-${end - 1}/${bytes.byteLength}`;
          response.writeHead(206, { "content-range": range, etag: '"v1"' });
          response.write(bytes.subarray(start, start + 100));
        }
      });
      const folder = temporaryFolder();
      const url = `${server.origin}/model.safetensors`;
      const { code, stderr } = await quantwise(["quantize", url, "-o", join(folder, "out")], {
        env: environment(),
        onStart: (child) => {
          const timer = setInterval(() => {
            if (server.requests.length < 3) return;
            clearInterval(timer);
            setTimeout(() => child.kill(signal), 100);
          }, 20);
        },
      });
      expect(stderr).toContain(`interrupted by ${signal}; nothing was left behind`);
      expect(code).toBe(130);
      expect(namesIn(folder)).toEqual([]);
      await expect.poll(() => server.requests.at(-1)?.isCut).toBe(true);
    },
  );

  it("ends while it waits for a busy server", async () => {
    const server = await serve((_, response) => {
      response.writeHead(503, { "retry-after": "200" });
      response.end();
    });
    const { code } = await quantwise(["plan", server.origin], {
      env: environment(),
      onStart: (child) => {
        const timer = setInterval(() => {
          if (server.requests.length === 0) return;
          clearInterval(timer);
          setTimeout(() => child.kill("SIGINT"), 100);
        }, 20);
      },
    });
    expect(code).toBe(130);
  });
});

it("standard output can be the end of a model that comes from an address", async () => {
  const server = await folderServer(single);
  const url = `${server.origin}/model.safetensors`;
  const env = environment();
  const there = await quantwise(["quantize", url, "-o", "-", "--quiet"], { env });
  expect(there.code).toBe(0);
  const file = join(folderWith(Object.fromEntries(single)), "model.safetensors");
  const here = await quantwise(["quantize", file, "-o", "-", "--quiet"], { env });
  expect(there.stdout.equals(here.stdout)).toBe(true);
});
