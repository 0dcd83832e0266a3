/** The work, away from the page. */

import { openFileModel, quantizeWebModel } from "quantwise/web";

let controller = new AbortController();

globalThis.onmessage = async ({ data }) => {
  if (data.kind === "stop") {
    controller.abort(new DOMException("Stopped. Nothing was written.", "AbortError"));
    return;
  }
  controller = new AbortController();
  try {
    postMessage({ kind: "done", ...(await quantized(data)) });
  } catch (error) {
    const isStopped = error === controller.signal.reason;
    postMessage({ kind: "failed", message: error.message, isStopped });
  }
};

async function quantized({ files, target, options }) {
  const model = await openFileModel(files);
  const handle = target.handle ?? (await privateFile(target));
  let bytes = 0;
  let total = 0;
  let told = 0;
  const begin = performance.now();
  const tell = (tensor) => {
    const now = performance.now();
    if (now - told < 100) return;
    told = now;
    postMessage({ kind: "progress", bytes, total, seconds: (now - begin) / 1000, tensor });
  };
  const { bytesBefore, bytesAfter, counts, totals, warnings, kernels } = await quantizeWebModel(
    model,
    handle,
    {
      ...options,
      signal: controller.signal,
      onPlan: (plan) => {
        total = plan.bytes;
      },
      onBytes: (count) => {
        bytes += count;
        tell();
      },
      onTensor: ({ name }) => tell(name),
    },
  );
  const seconds = (performance.now() - begin) / 1000;
  const { name, error } = totals.worst ?? {};
  return {
    file: target.handle === undefined ? await handle.getFile() : undefined,
    facts: {
      bytesBefore,
      bytesAfter,
      counts,
      warnings,
      seconds,
      kernels: { name: kernels.name, reason: kernels.reason },
      worst: error && { name, relativeRms: error.relativeRms },
    },
  };
}

/** Opened here: not every browser passes handles on to Workers. */
async function privateFile({ folder, name }) {
  if (navigator.storage?.getDirectory === undefined) {
    throw new Error(
      "This browser gives pages no file system, and the output would not fit into memory. " +
        "Use a current Chrome, Edge, Firefox or Safari, outside of private windows.",
    );
  }
  const root = await navigator.storage.getDirectory();
  const directory = await root.getDirectoryHandle(folder, { create: true });
  return directory.getFileHandle(name, { create: true });
}
