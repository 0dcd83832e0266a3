/** A thread of Node's worker_threads. */

import { Worker } from "node:worker_threads";
import type { EncodeReply } from "../threads/messages.ts";
import type { Thread } from "../threads/pool.ts";

export function nodeThread(url: URL): Thread {
  const worker = new Worker(url);
  let isEnding = false;
  return {
    post: (request, transfer) => worker.postMessage(request, transfer),
    listen(onReply, onCrash) {
      worker.on("message", (reply: EncodeReply) => onReply(reply));
      worker.on("messageerror", onCrash);
      worker.on("error", onCrash);
      worker.on("exit", (code) => {
        if (!isEnding) onCrash(new Error(`it ended with code ${code}`));
      });
    },
    async terminate() {
      isEnding = true;
      await worker.terminate();
    },
  };
}
