/** What a thread runs in Node; and in Deno, where a source from an address can be no thread of Node's. */

import { parentPort } from "node:worker_threads";
import { answer, transferOf } from "../threads/encode-part.ts";
import type { EncodeReply, EncodeRequest } from "../threads/messages.ts";
import { readPlace } from "./read-place.ts";

if (parentPort !== null) {
  const port = parentPort;
  port.on("message", (request: EncodeRequest) => {
    const reply = answer(request, readPlace);
    port.postMessage(reply, transferOf(reply));
  });
} else {
  const scope = globalThis as unknown as {
    onmessage: (event: { readonly data: EncodeRequest }) => void;
    postMessage(reply: EncodeReply, transfer: ArrayBuffer[]): void;
  };
  scope.onmessage = ({ data }) => {
    const reply = answer(data, readPlace);
    scope.postMessage(reply, transferOf(reply));
  };
}
