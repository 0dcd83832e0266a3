/** Uses examples/browser as somebody would, in a frame: chooses a file, presses the button, reads. */

import { report } from "./report.mjs";
import { sha256 } from "./sha256.mjs";

report(async ({ sha, hasFiles }) => {
  const checks = [];
  const check = async (name, body) => {
    try {
      await body();
      checks.push({ name, problem: "" });
    } catch (error) {
      checks.push({ name, problem: `${error?.message ?? error}` });
    }
  };
  const frame = document.createElement("iframe");
  frame.style = "width: 800px; height: 900px";
  frame.src = "example/index.html";
  document.body.append(frame);
  await new Promise((resolve) => {
    frame.onload = resolve;
  });
  const page = frame.contentWindow;
  const element = (id) => page.document.getElementById(id);
  await until(() => element("scheme")?.options.length > 0, "the form");

  let picked;
  const pick = (handle) => {
    page.showSaveFilePicker = async () => {
      picked = handle;
      return handle;
    };
  };
  let downloads = 0;
  element("download").addEventListener("click", (event) => {
    downloads++;
    event.preventDefault();
  });
  const run = async () => {
    const said = () => element("summary").textContent + element("error").textContent;
    for (const id of ["summary", "error"]) element(id).textContent = "";
    element("start").click();
    await until(() => said() !== "", "end");
    return said();
  };
  const useSample = async () => {
    element("sample").click();
    await until(() => !element("start").disabled, "the sample");
  };

  if (!hasFiles) {
    await check("a browser without files is told so", async () => {
      await useSample();
      const text = await run();
      if (!text.includes("gives pages no file system")) throw new Error(text);
    });
    return { kernels: { name: "-", simd: "none", reason: "" }, checks };
  }
  delete page.showSaveFilePicker;
  if ("showSaveFilePicker" in page) page.Window.prototype.showSaveFilePicker = undefined;
  delete page.Window.prototype.showSaveFilePicker;

  await check("the sample becomes a download with Node's bytes", async () => {
    await useSample();
    const text = await run();
    if (!/^189 kB to [\d.]+ kB, [\d.]+ times smaller$/.test(text)) throw new Error(text);
    const link = element("download");
    if (link.download !== "sample-nf4.safetensors") throw new Error(link.download);
    if (downloads !== 1) throw new Error(`${downloads} downloads`);
    const bytes = await (await fetch(link.href)).arrayBuffer();
    const found = sha256(new Uint8Array(bytes));
    if (found !== sha) throw new Error(`sha256 ${found}, expected ${sha}`);
  });
  await check("the file that was chosen for saving gets them too, again and again", async () => {
    const root = await navigator.storage.getDirectory();
    const handle = await root.getFileHandle("chosen.safetensors", { create: true });
    let canPass = true;
    try {
      structuredClone(handle);
    } catch {
      // WebKit's handles stay where they are; it has no dialogue for saving either.
      canPass = false;
    }
    if (!canPass) return;
    pick(handle);
    await run();
    if (picked !== handle) throw new Error("nobody asked for a file");
    if (!element("download").hidden) throw new Error("a download is offered");
    const bytes = await (await handle.getFile()).arrayBuffer();
    const found = sha256(new Uint8Array(bytes));
    if (found !== sha) throw new Error(`sha256 ${found}, expected ${sha}`);
    delete page.showSaveFilePicker;
  });
  await check("options follow the scheme", async () => {
    const choose = (type) => {
      element("scheme").value = type;
      element("scheme").dispatchEvent(new page.Event("change"));
    };
    choose("llm-int8");
    if (!element("block").disabled || !element("double").disabled) throw new Error("llm-int8");
    for (const { value } of [...element("scheme").options]) {
      choose(value);
      const text = await run();
      if (!text.endsWith("times smaller")) throw new Error(`${value}: ${text}`);
    }
    choose("nf4");
    if (element("block").disabled || element("block").value !== "64") throw new Error("nf4");
  });
  await check("a broken file is told in words", async () => {
    give(new page.File(["not a checkpoint at all"], "broken.safetensors"));
    const text = await run();
    if (!text.startsWith("It did not work: broken.safetensors")) throw new Error(text);
  });
  await check("stopping a large one leaves nothing, and the page works on", async () => {
    give(largeFile(page));
    element("start").click();
    await until(() => Number(element("progress").value) > 0, "progress");
    element("stop").click();
    await until(() => !element("error").hidden, "the end");
    const text = element("error").textContent;
    if (text !== "Stopped. Nothing was written.") throw new Error(text);
    await useSample();
    const after = await run();
    if (!after.endsWith("times smaller")) throw new Error(after);
  });
  const isWasm = element("facts").textContent.includes("WebAssembly SIMD");
  const name = isWasm ? "wasm" : "reference";
  return { kernels: { name, simd: "as shown", reason: "" }, checks };

  /** As a drop would. */
  function give(file) {
    const transfer = new page.DataTransfer();
    transfer.items.add(file);
    element("files").files = transfer.files;
    element("files").dispatchEvent(new page.Event("change"));
  }
});

/** 256 MB of a linear layer, one buffer again and again. */
function largeFile(page) {
  const pieces = Array.from({ length: 32 }, () => new Uint8Array(8 << 20));
  const entry = { dtype: "BF16", shape: [16384, 8192], data_offsets: [0, 256 << 20] };
  const text = JSON.stringify({ "model.layers.0.mlp.up_proj.weight": entry }).padEnd(128);
  const header = new TextEncoder().encode(text);
  const length = new Uint8Array(new BigUint64Array([BigInt(header.length)]).buffer);
  return new page.File([length, header, ...pieces], "large.safetensors");
}

async function until(isSo, what) {
  for (const begin = performance.now(); performance.now() - begin < 20_000; ) {
    if (isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`no ${what} in 20 s`);
}
