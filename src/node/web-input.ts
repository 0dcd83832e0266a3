/** A model at an address, with what the environment says about the Hugging Face Hub. */

import { open } from "node:fs/promises";
import { ByteStream } from "../checkpoint/byte-stream.ts";
import type { ModelConfig } from "../checkpoint/config/model-config.ts";
import { ArgumentError } from "../foundation/errors.ts";
import { checkToken } from "../web/http-options.ts";
import { HUB_ENDPOINT } from "../web/hub.ts";
import { isWebModel, modelPlaceOf, originOf } from "../web/model-place.ts";
import { isConfidential } from "../web/public-url.ts";
import { sourceStream } from "../web/source-stream.ts";
import { openWebModel, type WebModel } from "../web/web-model.ts";
import type { ModelInput } from "./opened-model.ts";
import { storageError } from "./storage-error.ts";

export interface WebInputOptions {
  /**
   * For a model at an address: an access token, sent to that address's origin alone. By default the
   * Hub gets `HF_TOKEN` of the environment, and nobody else gets anything.
   */
  readonly token?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * @param config to use instead of the one beside the weights
 * @throws ArgumentError, StorageError, FormatError, or the signal's reason
 */
export async function openWebInput(
  input: string,
  config: ModelConfig | undefined,
  { token, signal }: WebInputOptions,
): Promise<ModelInput> {
  const endpoint = environment("HF_ENDPOINT");
  const model = await openWebModel(input, {
    endpoint,
    config,
    token: token ?? hubToken(input, endpoint),
    signal,
  });
  const { kind, files, sidecars, leftOut, hasRanges } = model;
  return {
    kind,
    files,
    config: model.config,
    sidecars,
    leftOut,
    hasRanges,
    copySidecar: (path, target) => download(model, path, target),
    close: () => model.close(),
  };
}

/** A token is for one origin. @throws ArgumentError for models of two */
export function checkTokenOrigins(inputs: readonly string[], token: string | undefined): void {
  if (token === undefined) return;
  const places = inputs.filter(isWebModel).map((input) => {
    return originOf(modelPlaceOf(input, environment("HF_ENDPOINT"))).origin;
  });
  const origins = [...new Set(places)];
  if (origins.length < 2) return;
  const expected = "models of one origin: it is not sent to another one";
  throw new ArgumentError("token", expected, origins.join(" and "));
}

/** The one file of a model whose server ignores ranges, from front to back. */
export function forwardStream({ files }: ModelInput, signal: AbortSignal | undefined): ByteStream {
  const [file] = files;
  if (file === undefined || files.length > 1) throw new Error("unreachable: not one file");
  return new ByteStream(sourceStream(file.source), file.source.name, signal);
}

/** The Hub's token of the environment, for the Hub alone. */
function hubToken(input: string, endpoint: string | undefined): string | undefined {
  const origin = originOf(modelPlaceOf(input, endpoint));
  const hubs = [HUB_ENDPOINT, endpoint ?? HUB_ENDPOINT].map((hub) => new URL(hub).origin);
  if (!hubs.includes(origin.origin) || !isConfidential(origin)) return undefined;
  const name = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"].find((key) => environment(key) !== undefined);
  if (name === undefined) return undefined;
  const token = environment(name);
  checkToken(token, name);
  return token;
}

function environment(name: string): string | undefined {
  const value = process.env[name]?.trim();
  return value === "" ? undefined : value;
}

const CHUNK_BYTES = 1 << 20;

/** What the server does not have is left out: a folder cannot be listed. */
async function download(model: WebModel, path: string, target: string): Promise<void> {
  const source = await model.openSidecar(path);
  if (source === undefined) return;
  try {
    const handle = await open(target, "wx").catch((cause: unknown) => {
      throw storageError("cannot create", target, cause);
    });
    try {
      const chunk = new Uint8Array(Math.min(CHUNK_BYTES, source.size));
      for (let at = 0; at < source.size; at += chunk.byteLength) {
        const bytes = chunk.subarray(0, source.size - at);
        await source.read(bytes, at);
        await handle.writeFile(bytes);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
  } finally {
    await source.close();
  }
}
