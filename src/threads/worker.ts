/** What a thread runs in browsers, Deno and Bun: a module worker. */

import { answer, transferOf } from "./encode-part.ts";
import type { EncodeRequest } from "./messages.ts";

/** The worker's own scope; the library's types are those of no single runtime. */
interface WorkerScope {
  onmessage: ((event: { readonly data: EncodeRequest }) => void) | null;
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
}

const scope = globalThis as unknown as WorkerScope;

scope.onmessage = ({ data }) => {
  const reply = answer(data);
  scope.postMessage(reply, transferOf(reply));
};
