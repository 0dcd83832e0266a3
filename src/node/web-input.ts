/** A model at an address, with what the environment says about the Hugging Face Hub. */

import type { ModelConfig } from "../checkpoint/config/model-config.ts";
import type { OpenedModel } from "../checkpoint/opened-model.ts";
import { ArgumentError } from "../foundation/errors.ts";
import { checkToken } from "../web/http-options.ts";
import { type HttpSource, httpSource } from "../web/http-source.ts";
import { HUB_ENDPOINT } from "../web/hub.ts";
import { isWebModel, modelPlaceOf, originOf, publicModelName } from "../web/model-place.ts";
import { isConfidential } from "../web/public-url.ts";
import { openWebModel } from "../web/web-model.ts";

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
export function openWebInput(
  input: string,
  config: ModelConfig | undefined,
  { token, signal }: WebInputOptions,
): Promise<OpenedModel> {
  const endpoint = environment("HF_ENDPOINT");
  return openWebModel(input, {
    endpoint,
    config,
    token: token ?? hubToken(input, endpoint),
    signal,
  });
}

/**
 * Opens one file at an address.
 *
 * @throws ArgumentError, StorageError, FormatError, or the signal's reason
 */
export async function openWebFile(
  input: string,
  { token, signal }: WebInputOptions,
): Promise<HttpSource> {
  const endpoint = environment("HF_ENDPOINT");
  const place = modelPlaceOf(input, endpoint);
  if (place.kind !== "file") {
    throw new ArgumentError("model", "the URL of a .gguf file", publicModelName(input));
  }
  return httpSource(place.url, { token: token ?? hubToken(input, endpoint), signal });
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

/** The Hub's token of the environment, for the Hub alone. */
function hubToken(input: string, endpoint: string | undefined): string | undefined {
  const origin = originOf(modelPlaceOf(input, endpoint));
  const hubs = [HUB_ENDPOINT, endpoint ?? HUB_ENDPOINT].map((hub) => new URL(hub).origin);
  if (!hubs.includes(origin.origin) || !isConfidential(origin)) return undefined;
  const name = hubTokenName();
  if (name === undefined) return undefined;
  const token = environment(name);
  checkToken(token, name);
  return token;
}

/** The variable that has the Hub's token. */
export function hubTokenName(): string | undefined {
  return ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"].find((key) => environment(key) !== undefined);
}

/** What Deno does not let us read is not set. */
function environment(name: string): string | undefined {
  let value: string | undefined;
  try {
    value = process.env[name]?.trim();
  } catch {
    return undefined;
  }
  return value === "" ? undefined : value;
}
