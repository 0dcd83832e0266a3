/** What a thread runs in Node. */

import { parentPort } from "node:worker_threads";
import { answer, transferOf } from "../threads/encode-part.ts";
import type { EncodeRequest } from "../threads/messages.ts";

parentPort?.on("message", (request: EncodeRequest) => {
  const reply = answer(request);
  parentPort?.postMessage(reply, transferOf(reply));
});
