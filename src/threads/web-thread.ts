/** A thread as a module worker of the web, Deno or Bun. */

import { UnsupportedError } from "../foundation/errors.ts";
import type { EncodeReply } from "./messages.ts";
import type { Thread } from "./pool.ts";

/** @throws UnsupportedError where there are no workers */
export function webThread(start: () => Worker): Thread {
  if (typeof Worker === "undefined") {
    throw new UnsupportedError("threads: this runtime has no Worker; use threads: 1");
  }
  const worker = start();
  return {
    post: (request, transfer) => worker.postMessage(request, transfer),
    listen(onReply, onCrash) {
      worker.onmessage = ({ data }: MessageEvent<EncodeReply>) => onReply(data);
      worker.onerror = (event) => {
        event.preventDefault?.();
        onCrash(event.message === "" ? "its module did not load" : event.message);
      };
      worker.onmessageerror = () => onCrash("a message could not be read");
    },
    async terminate() {
      worker.terminate();
    },
  };
}
