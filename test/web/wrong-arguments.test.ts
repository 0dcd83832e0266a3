/** Arguments of a wrong type, as JavaScript lets them through: told at once, and by name. */

import { describe, expect, it } from "vitest";
import { QuantizeSafetensorsStream } from "../../src/checkpoint/index.ts";
import { ArgumentError } from "../../src/foundation/errors.ts";
import { createKernelSet } from "../../src/kernels/index.ts";
import { dequantizeModel, inspectModel, quantizeModel } from "../../src/node/index.ts";
import {
  blobSource,
  httpSource,
  multipartSink,
  openFileModel,
  r2Target,
  s3Target,
} from "../../src/web/index.ts";

const URL_OF_NONE = "http://127.0.0.1:1/model.safetensors";
const bucket = { createMultipartUpload: () => {} };

// biome-ignore lint/suspicious/noExplicitAny: what is wrong on purpose has no type.
type Wrong = any;

const http = (options: Wrong) => () => httpSource(URL_OF_NONE, options);
const stream = (options: Wrong) => () => new QuantizeSafetensorsStream(options);

describe("what is wrong is told by name", () => {
  it.each<[string, string, () => unknown]>([
    ["a token", "token", http({ token: 5 })],
    ["a signal", "signal", http({ signal: {} })],
    ["a fetch", "fetch", http({ fetch: "fetch" })],
    ["a blob", "blob", () => blobSource("x" as Wrong)],
    ["no blob", "blob", () => blobSource(undefined as Wrong)],
    ["files", "files", () => openFileModel("x" as Wrong)],
    ["a target", "target", () => multipartSink({} as Wrong)],
    ["no target", "target", () => multipartSink(undefined as Wrong)],
    ["what signs", "fetch", () => s3Target("https://host/key", undefined as Wrong)],
    ["a bucket", "bucket", () => r2Target({} as Wrong, "key")],
    ["a key", "key", () => r2Target(bucket as Wrong, "")],
    ["globs to exclude", "exclude", stream({ exclude: "**" })],
    ["globs to include", "include", stream({ include: "**" })],
    ["rules", "rules", stream({ rules: 5 })],
    ["a stream's signal", "signal", stream({ signal: {} })],
    ["kernels", "kernels", () => createKernelSet("simd" as Wrong)],
    ["no input", "model", () => quantizeModel(undefined as Wrong, "out")],
    ["an input's URL", "model", () => dequantizeModel(new URL("file:///in") as Wrong, "out")],
    ["a model's URL", "model", () => inspectModel(new URL("file:///in") as Wrong)],
    ["no output", "output", () => quantizeModel("in", undefined as Wrong)],
  ])("%s: %s", async (_, argument, call) => {
    const error = await Promise.resolve()
      .then(call)
      .then(
        () => undefined,
        (reason: unknown) => reason,
      );
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error).toMatchObject({ argument });
  });
});
