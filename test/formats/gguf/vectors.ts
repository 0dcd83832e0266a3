/** Files of other writers, with what other readers say of them. */

import { readFileSync } from "node:fs";

const folder = new URL("../../vectors/gguf/", import.meta.url);

interface Containers {
  readonly edge: {
    readonly files: readonly { readonly file: string; readonly ggml_reader: "accept" | "reject" }[];
  };
  readonly files: readonly {
    readonly file: string;
    readonly file_type: number;
    readonly tensors: readonly {
      readonly name: string;
      readonly ne: readonly number[];
      readonly type: string;
      readonly offset: number;
      readonly bytes: number;
      readonly sha256: string;
    }[];
  }[];
}

export const containers = JSON.parse(
  readFileSync(new URL("containers.json", folder), "utf8"),
) as Containers;

export function edgeFile(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`edge/${name}.gguf`, folder)));
}

export function goldenFile(name: string): Uint8Array {
  return new Uint8Array(readFileSync(goldenPath(name)));
}

export function goldenPath(name: string): URL {
  return new URL(`files/${name}.gguf`, folder);
}

export function mixtureText(): string {
  return readFileSync(new URL("mixture.json", folder), "utf8");
}
