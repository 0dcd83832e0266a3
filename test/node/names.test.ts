import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { quantizeModel } from "../../src/node/quantize-model.ts";
import { opaque } from "../checkpoint/safetensors-files.ts";
import { errorOf } from "../checkpoint/streams.ts";
import { namesIn, temporaryFolder } from "../cli/quantwise.ts";
import { llamaTensors, writeModel } from "./models.ts";

const UP = "model.layers.0.mlp.up_proj.weight";

describe("a tensor whose name quantization needs", () => {
  // Of another dtype than ours it is sorted elsewhere: neighbours do not tell.
  it.each(["U8", "F32", "I64"])("is refused by its name: %s", async (dtype) => {
    const folder = temporaryFolder();
    const taken = opaque(`${UP}.absmax`, dtype, [4]);
    const input = writeModel(join(folder, "model"), [...llamaTensors({ layers: 1 }), taken]);
    for (const output of ["out", "out.safetensors"]) {
      const error = await errorOf(quantizeModel(input, join(folder, output)));
      expect(error).toMatchObject({ code: "PLAN" });
      expect(error.message).toContain(`"${UP}.absmax"`);
    }
    expect(namesIn(folder)).toEqual(["model"]);
  });
});
