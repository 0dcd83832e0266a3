/** The page's script: plots and the sortable table over data that is in the page. */

import type { PageData } from "../page-data.ts";
import { byId, make } from "./elements.ts";
import { ErrorPlot } from "./error-plot.ts";
import { LevelsPlot } from "./levels-plot.ts";
import { drawAll } from "./plot.ts";
import { SchemePlot } from "./scheme-plot.ts";
import { enableTensorTable } from "./tensor-table.ts";

const data = JSON.parse(byId("report")?.textContent ?? "") as PageData;

const errors = byId("errors");
if (errors !== undefined) {
  if (data.tensors.kinds.length > 0) new ErrorPlot(errors, data.tensors);
  else errors.append(make("p", { text: "Nothing to draw: no tensor has a finite error above 0." }));
}
const levels = byId("levels");
if (levels !== undefined) new LevelsPlot(levels, data.histograms);
const schemes = byId("schemes");
if (schemes !== undefined) new SchemePlot(schemes, data.schemes, data.own);
const table = byId("tensors");
const tools = byId("tensor-tools");
if (table !== undefined && tools !== undefined) enableTensorTable(table, tools, data.tensors);

// Pixels do not follow the style: colours are taken anew, on paper the light ones.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
for (const [event, isPaper] of [
  ["beforeprint", true],
  ["afterprint", false],
] as const) {
  addEventListener(event, () => {
    document.documentElement.classList.toggle("paper", isPaper);
    drawAll();
  });
}
