import { compare } from "./compare.js";

const element = (id) => document.getElementById(id);

element("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  element("start").disabled = true;
  element("error").textContent = "";
  element("result").hidden = true;
  element("status").textContent = "Multiplying …";
  try {
    show(
      await compare({
        quantType: element("scheme").value,
        size: Number(element("size").value),
        batch: Number(element("batch").value),
        allowFallbackAdapter: element("software").checked,
      }),
    );
    element("status").textContent = "Done.";
  } catch (error) {
    element("error").textContent = error.message;
    element("status").textContent = "";
  }
  element("start").disabled = false;
});

function show({ results, difference, largest, sameCodes }) {
  const codes = sameCodes ? "equal" : "DIFFERENT";
  element("difference").textContent =
    `Largest difference ${difference.toExponential(1)} of results up to ${largest.toPrecision(2)}; codes are ${codes}`;
  const rows = results.map(({ product, quantizeMs, multiplyMs }) => {
    const row = document.createElement("tr");
    const { device, reason } = product.ranOn;
    const cells = [device, ms(quantizeMs), ms(multiplyMs), reason];
    row.append(
      ...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })),
    );
    return row;
  });
  element("rows").replaceChildren(...rows);
  element("result").hidden = false;
}

const ms = (time) => `${time.toFixed(1)} ms`;
