/** The parts of the page that stand without a script: totals, tables, words. */

import type { ElementCount } from "../../metrics/comparison.ts";
import { type ComparisonFigures, figuresOf } from "../../metrics/comparison-figures.ts";
import { formatCount, formatDecibels, formatShare, formatSignificant } from "../figures.ts";
import { formatBytes } from "../format.ts";
import type { CompareReport, ReportTensor, SchemePoint } from "./data.ts";
import { type Html, html } from "./html.ts";
import {
  bitsPerWeight,
  type ReportTotals,
  shareOf,
  totalsByStorage,
  totalsOf,
  worstFirst,
} from "./totals.ts";

const UNKNOWN = "–";

/** The four figures that people quote. */
export function headline(report: CompareReport): Html {
  const quantized = report.tensors.filter(({ isQuantized }) => isQuantized);
  const { figures, bitsPerWeight: bits } = totalsOf(
    "",
    quantized.length > 0 ? quantized : report.tensors,
  );
  const of =
    quantized.length > 0 ? "of the quantized weights" : "of all weights: none is quantized";
  const { original, quantized: result } = report;
  const smaller = result.bytes > 0 ? `${(original.bytes / result.bytes).toFixed(2)} × smaller` : "";
  return html`<dl class="headline">
${figure("Error", formatShare(figures.relativeRms), `relative RMS ${of}`)}
${figure("Signal to noise", formatDecibels(figures.sqnrDb), `cosine ${formatCosine(figures.cosine)}`)}
${figure("Bits per weight", formatBits(bits), of)}
${figure("Size", formatBytes(result.bytes), `from ${formatBytes(original.bytes)}, ${smaller}`)}
</dl>`;
}

function figure(title: string, value: string, note: string): Html {
  return html`<div><dt>${title}</dt><dd><b>${value}</b> <span>${note}</span></dd></div>`;
}

export function warningList(warnings: readonly string[]): Html {
  if (warnings.length === 0) return html``;
  return html`<ul class="warnings" aria-label="Warnings">
${warnings.map((warning) => html`<li>${warning}</li>`)}
</ul>`;
}

export function totalsTable(report: CompareReport): Html {
  const groups = totalsByStorage(report.tensors);
  const all = totalsOf("all", report.tensors);
  const rows = groups.length > 1 ? [...groups, all] : groups.length === 1 ? groups : [all];
  const titles = ERROR_COLUMNS.map(({ title }) => html`<th scope="col">${title}</th>`);
  return html`<table class="totals">
<thead><tr><th scope="col">stored as</th>${titles}<th scope="col">bits per weight</th>\
<th scope="col">size</th><th scope="col">tensors</th><th scope="col">weights</th></tr></thead>
<tbody>
${rows.map(totalsRow)}</tbody></table>`;
}

function totalsRow(totals: ReportTotals): Html {
  const { label, tensors, storedBytes, bitsPerWeight: bits, figures } = totals;
  return html`<tr><th scope="row">${label}</th>${errorCells(figures)}<td>${formatBits(bits)}</td>\
<td>${formatBytes(storedBytes)}</td><td>${formatCount(tensors.length)}</td>\
<td>${formatCount(figures.elements)}</td></tr>
`;
}

/** In the order of `errorCells`. A key names what the page's script sorts by. */
const ERROR_COLUMNS = [
  { key: "relativeRms", title: "relative RMS" },
  { key: "sqnr", title: "SQNR" },
  { key: "largestError", title: "largest error" },
  { key: "cosine", title: "cosine" },
  { key: "saturated", title: "saturated" },
  { key: "clipped", title: "clipped" },
  { key: "nonFinite", title: "non-finite" },
] as const;

function errorCells(figures: ComparisonFigures): Html {
  const { relativeRms, sqnrDb, largestError, cosine, saturated, clipped, nonFinite } = figures;
  const share = shareOf(saturated);
  if (figures.elements > 0 && figures.comparedElements === 0) {
    return html`${Array.from({ length: 6 }, () => html`<td>${UNKNOWN}</td>`)}\
<td>${formatCount(nonFinite)}</td>`;
  }
  return html`<td>${formatShare(relativeRms)}</td><td>${formatDecibels(sqnrDb)}</td>\
<td>${formatSignificant(largestError?.magnitude ?? 0)}</td><td>${formatCosine(cosine)}</td>\
<td>${share === undefined ? UNKNOWN : formatShare(share)}</td><td>${formatElements(clipped)}</td>\
<td>${formatCount(nonFinite)}</td>`;
}

/** Worst first. The first cell is the tensor's place in the model, by which the script knows it. */
export function tensorTable({ tensors }: CompareReport): Html {
  const columns = [
    { key: "position", title: "#" },
    { key: "name", title: "tensor" },
    ...ERROR_COLUMNS,
    { key: "bits", title: "bits per weight" },
    { key: "storedAs", title: "stored as" },
    { key: "elements", title: "shape" },
  ];
  const titles = columns.map(({ key, title }) =>
    key === "relativeRms"
      ? html`<th scope="col" data-key="${key}" aria-sort="descending">${title}</th>`
      : html`<th scope="col" data-key="${key}">${title}</th>`,
  );
  const rows = worstFirst(tensors).map((position) => {
    const tensor = tensors[position] as ReportTensor;
    return html`<tr><td>${position}</td><th scope="row">${breakable(tensor.name)}</th>\
${errorCells(figuresOf(tensor.sums))}<td>${formatBits(bitsPerWeight([tensor]))}</td>\
<td>${tensor.storedAs}</td><td>${tensor.shape.join(" × ")}</td></tr>
`;
  });
  return html`<table id="tensors">
<thead><tr>${titles}</tr></thead>
<tbody>
${rows}</tbody></table>`;
}

/** A name that goes on in the next line after a dot, where it must. */
function breakable(name: string): Html {
  const [first = "", ...rest] = name.split(".");
  return html`<bdi>${first}${rest.map((segment) => html`.<wbr>${segment}`)}</bdi>`;
}

/** The points of the plot of schemes, the smallest first. */
export function schemeTable(schemes: readonly SchemePoint[], own: SchemePoint | undefined): Html {
  const points = own === undefined ? [...schemes] : [...schemes, own];
  points.sort((a, b) => a.bitsPerWeight - b.bitsPerWeight || b.relativeRms - a.relativeRms);
  const row = (point: SchemePoint) =>
    html`<tr class="${point === own ? "own" : ""}"><th scope="row">${point.scheme}</th>\
<td>${formatBits(point.bitsPerWeight)}</td><td>${formatShare(point.relativeRms)}</td></tr>
`;
  return html`<table class="schemes">
<thead><tr><th scope="col">scheme</th><th scope="col">bits per weight</th>
<th scope="col">relative RMS</th></tr></thead>
<tbody>
${points.map(row)}</tbody></table>`;
}

export function glossary(): Html {
  return html`<dl class="glossary">
<dt>relative RMS</dt><dd>√(Σ(w − w′)² / Σw²): the error against the weights’ own size; w original, w′ restored.</dd>
<dt>SQNR</dt><dd>the same in decibels, 10·log₁₀(Σw² / Σ(w − w′)²): 6 dB more is half the error. ∞: equal.</dd>
<dt>largest error</dt><dd>the largest |w − w′|, in the weights’ unit.</dd>
<dt>cosine</dt><dd>of the angle between the tensors as vectors; 1: the same direction.</dd>
<dt>saturated</dt><dd>share of codes at an end of their format. Where a scale is its block’s largest weight, one code in a block is.</dd>
<dt>clipped</dt><dd>weights beyond what their stored scale can represent: more than half a step off.</dd>
<dt>non-finite</dt><dd>elements that are NaN or infinite in either model; no other figure counts them.</dd>
<dt>–</dt><dd>not known for this way of storing.</dd>
</dl>`;
}

export function formatBits(bits: number | undefined): string {
  return bits === undefined ? UNKNOWN : bits.toFixed(3);
}

function formatElements(count: ElementCount | undefined): string {
  return count === undefined ? UNKNOWN : formatCount(count.count);
}

/** Six digits: what is told apart is how far from 1 it is. */
function formatCosine(cosine: number): string {
  return cosine === 1 ? "1" : cosine.toFixed(6);
}
