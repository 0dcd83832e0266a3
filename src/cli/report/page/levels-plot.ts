/** A tensor's weights as a histogram, and where its levels stand. */

import { counted, formatCount, formatShare, formatSignificant } from "../../figures.ts";
import type { PageHistogram } from "../page-data.ts";
import { checkbox, choice, make } from "./elements.ts";
import { axis, type Palette, PlotHost, translucent, uPlot } from "./plot.ts";
import { logTicks, tickText } from "./scales.ts";

const HEIGHT = 320;

/** Levels nearer to each other than this, in CSS pixels, become short ticks. */
const TIGHT = 7;

const TICK = 14;

export class LevelsPlot {
  readonly #histograms: readonly PageHistogram[];
  readonly #host: PlotHost;
  readonly #note: HTMLElement;
  readonly #rows: HTMLElement;
  #chosen = 0;
  #isLog = false;

  constructor(parent: HTMLElement, histograms: readonly PageHistogram[]) {
    this.#histograms = histograms;
    const names = histograms.map(({ tensor }) => tensor);
    const which = choice("Tensor ", names, (index) => {
      this.#chosen = index;
      this.#show();
    });
    const log = checkbox("Log counts", false, (checked) => {
      this.#isLog = checked;
      this.#host.draw();
    });
    this.#note = make("p", { className: "note" });
    this.#rows = make("tbody");
    parent.append(make("div", { className: "tools" }, which, log));
    this.#host = new PlotHost(parent, HEIGHT, (palette) => this.#source(palette));
    parent.append(this.#note, this.#table());
    this.#show();
  }

  get #histogram(): PageHistogram {
    return this.#histograms[this.#chosen] as PageHistogram;
  }

  #show(): void {
    const { levels, scale, storedAs, outside, counts } = this.#histogram;
    const all = counts.reduce((sum, count) => sum + count, outside);
    const key = make("i", { className: "key level" });
    const beyond =
      outside > 0
        ? ` Beyond this range: ${counted(outside, "weight")}, ${formatShare(outside / all)}.`
        : "";
    const text = `${counted(levels.length, "level")} of ${storedAs} at a scale of ${formatSignificant(scale)}.${beyond}`;
    this.#note.replaceChildren(key, document.createTextNode(text));
    this.#rows.replaceChildren(
      ...this.#bins().map(({ from, to, count }) =>
        make(
          "tr",
          {},
          make("th", {
            scope: "row",
            text: `${formatSignificant(from)} to ${formatSignificant(to)}`,
          }),
          make("td", { text: formatCount(count) }),
          make("td", {
            text: String(levels.filter((level) => level >= from && level < to).length),
          }),
        ),
      ),
    );
    this.#host.draw();
  }

  #table(): HTMLElement {
    const title = (text: string) => make("th", { scope: "col", text });
    const head = make("tr", {}, title("weights from, to"), title("count"), title("levels"));
    const table = make("table", {}, make("thead", {}, head), this.#rows);
    const box = { className: "scrolls", role: "region", "aria-label": "Histogram", tabindex: "0" };
    return make(
      "details",
      {},
      make("summary", { text: "The histogram as a table" }),
      make("div", box, table),
    );
  }

  #bins(): { readonly from: number; readonly to: number; readonly count: number }[] {
    const { lowest, highest, counts } = this.#histogram;
    const width = (highest - lowest) / counts.length;
    return counts.map((count, bin) => {
      const from = lowest + bin * width;
      return { from, to: from + width, count };
    });
  }

  #source(palette: Palette) {
    const { lowest, highest, levels } = this.#histogram;
    const bins = this.#bins();
    const isLog = this.#isLog;
    const from = Math.min(lowest, levels[0] ?? lowest);
    const to = Math.max(highest, levels.at(-1) ?? highest);
    const most = Math.max(1, ...bins.map(({ count }) => count));
    const room = (to - from) * 0.02;
    const bars = uPlot.paths.bars?.({ size: [1], gap: 0 });
    const options: Omit<uPlot.Options, "width" | "height"> = {
      scales: {
        x: { time: false, range: () => [from - room, to + room] },
        y: { distr: isLog ? 3 : 1, range: () => (isLog ? [0.7, most * 1.5] : [0, most * 1.06]) },
      },
      axes: [
        axis(palette, {
          size: 32,
          label: "weight",
          values: (_, splits) => splits.map(tickText),
        }),
        axis(palette, {
          size: 58,
          values: (_, splits) => splits.map(shortCount),
          ...(isLog
            ? {
                splits: (_, __, low, high) => logTicks(low, high),
                filter: (_: uPlot, splits: number[]) => splits,
              }
            : {}),
        }),
      ],
      series: [
        {},
        {
          fill: translucent(palette.accent, 0.55),
          stroke: palette.accent,
          width: 0,
          points: { show: false },
          ...(bars === undefined ? {} : { paths: bars }),
        },
      ],
      cursor: { points: { show: false }, y: false, drag: { x: false, y: false } },
      hooks: {
        draw: [(plot) => drawLevels(plot, levels, palette)],
        setCursor: [(plot) => this.#hover(plot)],
      },
    };
    const centres = bins.map((bin) => (bin.from + bin.to) / 2);
    const counts = bins.map(({ count }) => (count > 0 ? count : null));
    return { options, data: [centres, counts] as uPlot.AlignedData };
  }

  #hover(plot: uPlot): void {
    const { left = -1, top = -1 } = plot.cursor;
    const { lowest, highest, levels, counts, outside } = this.#histogram;
    const at = ((plot.posToVal(left, "x") - lowest) / (highest - lowest)) * counts.length;
    const bin = this.#bins()[Math.floor(at)];
    if (left < 0 || bin === undefined) {
      this.#host?.tooltip.hide();
      return;
    }
    const all = counts.reduce((sum, count) => sum + count, outside);
    const middle = (bin.from + bin.to) / 2;
    const nearest = levels.reduce(
      (best, level) => (Math.abs(level - middle) < Math.abs(best - middle) ? level : best),
      levels[0] ?? Number.NaN,
    );
    this.#host.tooltip.show(
      plot,
      { left, top, isPoint: false },
      `${formatSignificant(bin.from)} to ${formatSignificant(bin.to)}`,
      [
        `${counted(bin.count, "weight")}, ${formatShare(bin.count / Math.max(1, all))}`,
        `nearest level ${formatSignificant(nearest)}`,
      ],
    );
  }
}

/** Lines from top to bottom; where they would be a wall, ticks at the bottom. */
function drawLevels(plot: uPlot, levels: readonly number[], palette: Palette): void {
  const { ctx, bbox } = plot;
  const ratio = uPlot.pxRatio;
  const isTight = bbox.width / ratio / Math.max(1, levels.length) < TIGHT;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.strokeStyle = palette.level;
  ctx.lineWidth = ratio * (isTight ? 1 : 1.5);
  ctx.beginPath();
  const bottom = bbox.top + bbox.height;
  for (const level of levels) {
    const x = plot.valToPos(level, "x", true);
    ctx.moveTo(x, isTight ? bottom - TICK * ratio : bbox.top);
    ctx.lineTo(x, bottom);
  }
  ctx.stroke();
  ctx.restore();
}

/** "12k", "3.4M": an axis has little room. */
function shortCount(count: number): string {
  if (count >= 1e6) return `${tickText(count / 1e6)}M`;
  return count >= 1e3 ? `${tickText(count / 1e3)}k` : tickText(count);
}
