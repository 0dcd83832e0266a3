/** A page that has a module worker run the suite. */

import { report } from "./report.mjs";

report(
  (expected) =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL("./page-worker.mjs", import.meta.url), { type: "module" });
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = (event) => reject(new Error(`worker: ${event.message}`));
      worker.postMessage(expected);
    }),
);
