/** The worker of page-with-worker.mjs. */

globalThis.onmessage = async ({ data }) => {
  let result;
  try {
    const entry = await import(data.entry ?? "./entry.mjs");
    result = await entry.result(data);
  } catch (error) {
    result = { kernels: { name: "-", reason: "" }, checks: [], problem: `${error}` };
  }
  globalThis.postMessage({ ...result, isIsolated: globalThis.crossOriginIsolated });
};
