/** Uses examples/webgpu as somebody would, in a frame: presses the button, reads the table. */

import { report } from "./report.mjs";
import { checklist, same } from "./suite.mjs";

report(async ({ adapter }) => {
  const { check, checks } = checklist();
  const frame = document.createElement("iframe");
  frame.src = "example-webgpu/index.html";
  document.body.append(frame);
  await new Promise((resolve) => {
    frame.onload = resolve;
  });
  const element = (id) => frame.contentWindow.document.getElementById(id);
  element("size").value = "256";
  element("batch").value = "3";
  const rows = async () => {
    element("start").click();
    const said = () => element("status").textContent + element("error").textContent;
    while (!/Done|webgpu|error/i.test(said())) await new Promise((done) => setTimeout(done, 50));
    same(element("error").textContent, "", "error");
    return [...element("rows").children].map((row) =>
      [...row.children].map((cell) => cell.textContent),
    );
  };
  await check("without a GPU both run on the host, and it says why", async () => {
    const [one, other] = await rows();
    same([one[0], other[0]].join(), "wasm,wasm", "devices");
    same(one[3].includes("computes on the CPU"), true, one[3]);
  });
  await check("a software adapter gives the same codes, and products nearby", async () => {
    element("software").checked = true;
    const [one, other] = await rows();
    same([one[0], other[0]].join(), "webgpu,wasm", one[3]);
    same(one[3].includes(adapter), true, one[3]);
    const text = element("difference").textContent;
    same(text.endsWith("codes are equal"), true, text);
    const [, difference, largest] = /difference (\S+) of results up to (\S+);/.exec(text);
    same(Number(difference) < Number(largest) * 1e-5, true, text);
  });
  return { kernels: { name: "-", simd: "none", reason: "" }, checks };
});
