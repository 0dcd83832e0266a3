/**
 * A comparison as one HTML file: it opens from a disk or a mail, without any network. Its security
 * policy lets run exactly the script that was built in, so nothing that a model's names hold.
 */

import type { CompareReport } from "./data.ts";
import { Html, html, scriptJson } from "./html.ts";
import {
  PAGE_SCRIPT,
  PAGE_SCRIPT_HASH,
  PAGE_STYLE,
  PAGE_STYLE_HASH,
  UPLOT_LICENCE,
} from "./page.generated.ts";
import { pageData } from "./page-data.ts";
import {
  glossary,
  headline,
  schemeTable,
  tensorTable,
  totalsTable,
  warningList,
} from "./sections.ts";
import { ownPoint } from "./totals.ts";

/** The same data give the same bytes. About 100 kB, and 400 bytes a tensor. */
export function compareReport(report: CompareReport): string {
  const { original, quantized, tensors } = report;
  const own = ownPoint(report);
  const policy =
    `default-src 'none'; img-src data:; script-src '${PAGE_SCRIPT_HASH}'; ` +
    `style-src '${PAGE_STYLE_HASH}'; base-uri 'none'; form-action 'none'`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="quantwise ${report.version}">
<title>${original.name} → ${quantized.name} · quantwise compare</title>
<link rel="icon" href="data:,">
<style>${new Html(PAGE_STYLE)}</style>
</head>
<body>
<header>
<p class="eyebrow">quantwise compare</p>
<h1><bdi>${original.name}</bdi> <span aria-label="became">→</span> <bdi>${quantized.name}</bdi></h1>
${warningList(report.warnings)}
${headline(report)}
</header>
<main>
<section aria-labelledby="totals-title">
<h2 id="totals-title">Totals</h2>
${scrolling("Totals", totalsTable(report))}
</section>
${tensors.length > 0 ? ERRORS : html``}
${report.histograms.length > 0 ? LEVELS : html``}
${report.schemes.length > 0 ? schemeSection(html`${schemeTable(report.schemes, own)}`) : html``}
${tensors.length > 0 ? tensorSection(report) : html``}
<section aria-labelledby="words-title">
<h2 id="words-title">What the words mean</h2>
${glossary()}
</section>
</main>
<footer><p>Made by quantwise ${report.version}. Plots: uPlot, MIT licence (in the source of this page).</p></footer>
<script type="application/json" id="report">${scriptJson(pageData(report, own))}</script>
<script>${new Html(PAGE_SCRIPT)}</script>
<!--
The plots are drawn by uPlot, which is part of the script above.

${new Html(UPLOT_LICENCE)}
-->
</body>
</html>
`.text;
}

/** A table may be wider than a phone: it scrolls by itself, with the keyboard too. */
function scrolling(label: string, table: Html): Html {
  return html`<div class="scrolls" role="region" aria-label="${label}" tabindex="0">${table}</div>`;
}

const ERRORS = html`<section aria-labelledby="errors-title" class="plot">
<h2 id="errors-title">Error per layer</h2>
<p>One point a tensor, in the model’s order. Drag to zoom, double-click to see everything.</p>
<div id="errors" data-label="Plot of the error of each tensor. The table of tensors has its figures."></div>
<noscript><p>The plot needs scripts; the table of tensors has its figures.</p></noscript>
</section>`;

const LEVELS = html`<section aria-labelledby="levels-title" class="plot">
<h2 id="levels-title">Weights and levels</h2>
<p>How many weights have which value, and the only values that a typical block of them can have once stored.</p>
<div id="levels" data-label="Histogram of weights with quantization levels. The table below it has its figures."></div>
<noscript><p>The histogram needs scripts.</p></noscript>
</section>`;

function schemeSection(table: Html): Html {
  return html`<section aria-labelledby="schemes-title" class="plot">
<h2 id="schemes-title">Error against size</h2>
<p>The same weights in other schemes: further left is smaller, further down is better. No scheme is better and smaller than those on the line.</p>
<div class="side-by-side">
<div id="schemes" data-label="Plot of error against bits per weight. The table of schemes has its figures."></div>
${scrolling("Schemes", table)}
</div>
</section>`;
}

function tensorSection(report: CompareReport): Html {
  return html`<section aria-labelledby="tensors-title">
<h2 id="tensors-title">All tensors</h2>
<div id="tensor-tools"></div>
${scrolling("All tensors", tensorTable(report))}
</section>`;
}
