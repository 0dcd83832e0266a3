/** What the commands say and ask about models at addresses. */

import { readFile } from "node:fs/promises";
import { ArgumentError } from "../foundation/errors.ts";
import { storageError } from "../node/storage-error.ts";
import { isWebModel } from "../web/model-place.ts";

export { publicModelName } from "../web/model-place.ts";

/** For `argument` of a command. */
export const MODEL_FORMS =
  "a .safetensors file, a checkpoint directory, the URL of either, or hf:org/name[@revision]";

/**
 * An option with a file and not the token itself: a command line is read by everybody on the
 * machine, and kept in the shell's history.
 */
export const TOKEN_FILE = [
  "--token-file <file>",
  "file with an access token for the URL's own origin (the Hub also gets $HF_TOKEN)",
] as const;

/**
 * @param models that are read; one of them must be somewhere else
 * @throws StorageError, ArgumentError
 */
export async function tokenIn(
  path: string | undefined,
  models: readonly string[],
): Promise<{ readonly token?: string }> {
  if (path === undefined) return {};
  if (!models.some(isWebModel)) {
    throw new ArgumentError("token-file", "a URL or hf:org/name as the model", models.join(", "));
  }
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw storageError("cannot read", path, cause);
  });
  const token = text.trim();
  if (token === "") throw new ArgumentError("token-file", "a file with a token", path);
  return { token };
}
