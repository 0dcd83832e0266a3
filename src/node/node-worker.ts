/** What a thread runs in Node. */

import { parentPort } from "node:worker_threads";
import { answer, transferOf } from "../threads/encode-part.ts";
import type { EncodeRequest } from "../threads/messages.ts";
import { readPlace } from "./read-place.ts";

parentPort?.on("message", (request: EncodeRequest) => {
  const reply = answer(request, readPlace);
  parentPort?.postMessage(reply, transferOf(reply));
});
