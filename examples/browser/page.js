/** The form, the progress and the result. */

import { SCHEMES } from "./schemes.js";
import { chooseTarget } from "./target.js";

const SAMPLE = {
  "sample.safetensors": new URL("../sample/model.safetensors", import.meta.url),
  "config.json": new URL("../sample/config.json", import.meta.url),
};
const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
const element = (id) => document.getElementById(id);
const show = (id, isShown) => {
  element(id).hidden = !isShown;
};

/** @type {File[]} */
let files = [];
let isBusy = false;
let downloadUrl;

// The form

element("scheme").append(...SCHEMES.map(({ type, words }) => new Option(words, type)));
element("scheme").addEventListener("change", showOptions);
showOptions();

function showOptions() {
  const { blocks, hasDouble = false } = schemeOf(element("scheme").value);
  element("block").replaceChildren(
    ...(blocks ?? []).map((size) => new Option(size, size, size === 64, size === 64)),
  );
  element("block").disabled = blocks === undefined;
  element("double").disabled = !hasDouble;
}

function schemeOf(type) {
  return SCHEMES.find((scheme) => scheme.type === type);
}

element("files").addEventListener("change", ({ target }) => choose([...target.files]));
element("sample").addEventListener("click", async () => {
  try {
    choose(await Promise.all(Object.entries(SAMPLE).map(fetchFile)));
  } catch (error) {
    fail(`The sample cannot be had: ${error.message}`);
  }
});

async function fetchFile([name, url]) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`status ${response.status}`);
  return new File([await response.blob()], name);
}

const drop = element("drop");
for (const type of ["dragenter", "dragover"]) {
  drop.addEventListener(type, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
for (const type of ["dragleave", "drop"]) {
  drop.addEventListener(type, () => drop.classList.remove("over"));
}
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  choose([...event.dataTransfer.files]);
});

function choose(chosen) {
  if (isBusy || chosen.length === 0) return;
  files = chosen;
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  element("chosen").textContent = `${files.map(({ name }) => name).join(", ")}, ${sizeOf(bytes)}`;
  element("start").disabled = false;
  show("error", false);
  show("result", false);
}

// The work

element("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (isBusy) return;
  const quantType = element("scheme").value;
  const { blocks, hasDouble } = schemeOf(quantType);
  const options = {
    quantType,
    ...(blocks && { blockSize: Number(element("block").value) }),
    ...(hasDouble && { doubleQuant: element("double").checked }),
  };
  try {
    const target = await chooseTarget(`${baseName()}-${quantType}.safetensors`);
    if (target === undefined) return;
    setBusy(true);
    worker.postMessage({ kind: "start", files, target, options });
  } catch (error) {
    fail(error.message);
  }
});

element("stop").addEventListener("click", () => worker.postMessage({ kind: "stop" }));

worker.onmessage = ({ data }) => {
  if (data.kind === "progress") showProgress(data);
  else if (data.kind === "done") finish(data);
  else if (data.isStopped) fail(data.message);
  else fail(`It did not work: ${data.message}`);
};
worker.onerror = (event) => fail(`The Worker failed: ${event.message}`);

function baseName() {
  const weights = files.find(({ name }) => name.endsWith(".safetensors")) ?? files[0];
  return weights.name.replace(/(-\d+-of-\d+)?\.[^.]*$/, "");
}

function setBusy(isNow) {
  isBusy = isNow;
  for (const id of ["start", "options", "files", "sample"]) element(id).disabled = isNow;
  show("work", isNow);
  if (!isNow) return;
  show("error", false);
  show("result", false);
  element("progress").value = 0;
  element("rate").textContent = "Reading the header";
  element("tensor").textContent = "";
  element("status").textContent = "Quantizing has begun.";
  element("stop").focus();
}

function showProgress({ bytes, total, seconds, tensor }) {
  const done = total === 0 ? 1 : bytes / total;
  const rate = bytes / Math.max(seconds, 1e-3);
  const left = Math.ceil((total - bytes) / Math.max(rate, 1));
  element("progress").value = done;
  element("rate").textContent = `${Math.floor(done * 100)} %, ${sizeOf(rate)}/s, ${left} s left`;
  if (tensor !== undefined) element("tensor").textContent = tensor;
}

// The result

function finish({ facts, file }) {
  setBusy(false);
  const { bytesBefore, bytesAfter, counts, warnings, seconds, kernels, worst } = facts;
  const { copy = 0, ...quantized } = counts;
  const kinds = Object.entries(quantized).map(([type, count]) => `${count} as ${type}`);
  const ratio = (bytesBefore / bytesAfter).toFixed(2);
  element("summary").textContent =
    `${sizeOf(bytesBefore)} to ${sizeOf(bytesAfter)}, ${ratio} times smaller`;
  const largest = Math.max(bytesBefore, bytesAfter);
  element("before").style.width = `${(100 * bytesBefore) / largest}%`;
  element("after").style.width = `${(100 * bytesAfter) / largest}%`;
  const lines = {
    Tensors: `${kinds.join(", ") || "none quantized"}; ${copy} copied`,
    Time: `${seconds.toFixed(seconds < 10 ? 2 : 0)} s, ${sizeOf(bytesBefore / seconds)}/s`,
    Kernels: kernels.name === "wasm" ? "WebAssembly SIMD" : `JavaScript: ${kernels.reason}`,
    ...(worst && {
      "Largest error": `${(100 * worst.relativeRms).toFixed(2)} % of its RMS, ${worst.name}`,
    }),
  };
  element("facts").replaceChildren(
    ...Object.entries(lines).flatMap(([term, text]) => [node("dt", term), node("dd", text)]),
  );
  element("warnings").replaceChildren(...warnings.map((text) => node("li", text)));
  show("result", true);
  show("download", file !== undefined);
  if (file !== undefined) download(file);
  element("status").textContent = "Done.";
  element("summary").focus();
}

/** The browser copies from disk to disk. */
function download(file) {
  if (downloadUrl !== undefined) URL.revokeObjectURL(downloadUrl);
  downloadUrl = URL.createObjectURL(file);
  const link = element("download");
  link.href = downloadUrl;
  link.download = file.name;
  link.click();
}

function fail(message) {
  const wasBusy = isBusy;
  setBusy(false);
  element("error").textContent = message;
  show("error", true);
  element("start").disabled = files.length === 0;
  // What had the focus is gone.
  if (wasBusy) element("start").focus();
}

function node(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

function sizeOf(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  const power = Math.min(4, Math.max(0, Math.floor(Math.log10(Math.max(bytes, 1)) / 3)));
  const value = bytes / 1000 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}
