/** Error against bits per weight: what other schemes would do to the same weights. */

import { formatShare } from "../../figures.ts";
import type { SchemePoint } from "../data.ts";
import { checkbox, make } from "./elements.ts";
import { axis, type Palette, PLOT_FONT, PlotHost, uPlot } from "./plot.ts";
import { placeLabels } from "./point-labels.ts";
import { logTicks, padded, tickText } from "./scales.ts";

const HEIGHT = 460;

/** How near the pointer must be to a point, in CSS pixels. */
const NEAR = 40;

export class SchemePlot {
  readonly #points: readonly SchemePoint[];
  readonly #own: SchemePoint | null;
  readonly #host: PlotHost;
  #isLog = true;

  constructor(parent: HTMLElement, schemes: readonly SchemePoint[], own: SchemePoint | null) {
    const points = own === null ? [...schemes] : [...schemes, own];
    this.#points = points.sort((a, b) => a.bitsPerWeight - b.bitsPerWeight);
    this.#own = own;
    const isPositive = points.every(({ relativeRms }) => relativeRms > 0);
    this.#isLog = isPositive;
    const log = checkbox("Log scale", this.#isLog, (checked) => {
      this.#isLog = checked;
      this.#host.draw();
    });
    // A scheme without any error has no place on a logarithmic axis.
    log.hidden = !isPositive;
    parent.append(make("div", { className: "tools" }, log));
    this.#host = new PlotHost(parent, HEIGHT, (palette) => this.#source(palette));
  }

  #source(palette: Palette) {
    const isLog = this.#isLog;
    const bits = this.#points.map(({ bitsPerWeight }) => bitsPerWeight);
    const errors = this.#points.map(({ relativeRms }) => relativeRms * 100);
    const lowest = Math.min(...bits);
    const highest = Math.max(...bits);
    const room = (highest - lowest || 1) * 0.12;
    const options: Omit<uPlot.Options, "width" | "height"> = {
      scales: {
        x: { time: false, range: () => [lowest - room, highest + room] },
        y: {
          distr: isLog ? 3 : 1,
          range: () => padded(Math.min(...errors), Math.max(...errors), isLog),
        },
      },
      axes: [
        axis(palette, { size: 32, label: "bits per weight" }),
        axis(palette, {
          size: 58,
          values: (_, splits) => splits.map((split) => `${tickText(split)} %`),
          ...(isLog
            ? {
                splits: (_, __, low, high) => logTicks(low, high),
                filter: (_: uPlot, splits: number[]) => splits,
              }
            : {}),
        }),
      ],
      series: [{}, { paths: () => null, points: { show: false } }],
      cursor: { points: { show: false }, x: false, y: false, drag: { x: false, y: false } },
      hooks: {
        draw: [(plot) => this.#draw(plot, palette)],
        setCursor: [(plot) => this.#hover(plot)],
      },
    };
    return { options, data: [bits, errors] as uPlot.AlignedData };
  }

  #draw(plot: uPlot, palette: Palette): void {
    const { ctx } = plot;
    const ratio = uPlot.pxRatio;
    const places = this.#points.map((point) => ({
      point,
      x: plot.valToPos(point.bitsPerWeight, "x", true),
      y: plot.valToPos(point.relativeRms * 100, "y", true),
    }));
    ctx.save();
    // The best that can be had at each size.
    const best = places.filter(({ point }) => !this.#points.some((other) => beats(other, point)));
    ctx.strokeStyle = palette.muted;
    ctx.setLineDash([4 * ratio, 4 * ratio]);
    ctx.lineWidth = ratio;
    ctx.beginPath();
    for (const { x, y } of best) ctx.lineTo(x, y);
    ctx.stroke();
    ctx.setLineDash([]);
    // The model's own point on top, its label first.
    places.sort((a, b) => Number(a.point === this.#own) - Number(b.point === this.#own));
    for (const { point, x, y } of places) drawPoint(ctx, x, y, point === this.#own, palette);
    const labels = places.toReversed().map(({ point, x, y }) => {
      const isOwn = point === this.#own;
      const font = scaledFont(isOwn, ratio);
      ctx.font = font;
      const { width } = ctx.measureText(point.scheme);
      const colour = isOwn ? palette.level : palette.text;
      return {
        text: point.scheme,
        font,
        colour,
        x,
        y,
        width,
        height: 15 * ratio,
        isDistinct: isOwn,
      };
    });
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    ctx.lineJoin = "round";
    for (const [at, place] of placeLabels(labels, plot.bbox).entries()) {
      const label = labels[at];
      if (place === undefined || label === undefined) continue;
      const { box, lineTo } = place;
      if (lineTo !== undefined) {
        ctx.beginPath();
        ctx.moveTo(label.x, label.y);
        ctx.lineTo(lineTo.x, lineTo.y);
        ctx.strokeStyle = palette.muted;
        ctx.lineWidth = 0.75 * ratio;
        ctx.stroke();
      }
      const middle = box.top + box.height / 2;
      ctx.font = label.font;
      // An edge in the colour of the page keeps lines off the letters.
      ctx.strokeStyle = palette.surface;
      ctx.lineWidth = 3 * ratio;
      ctx.strokeText(label.text, box.left, middle);
      ctx.fillStyle = label.colour;
      ctx.fillText(label.text, box.left, middle);
    }
    ctx.restore();
  }

  #hover(plot: uPlot): void {
    const { left = -1, top = -1 } = plot.cursor;
    let best: SchemePoint | undefined;
    let distance = left < 0 ? 0 : NEAR;
    for (const point of this.#points) {
      const x = plot.valToPos(point.bitsPerWeight, "x");
      const y = plot.valToPos(point.relativeRms * 100, "y");
      const own = Math.hypot(x - left, y - top);
      if (own < distance) {
        distance = own;
        best = point;
      }
    }
    if (best === undefined) {
      this.#host?.tooltip.hide();
      return;
    }
    const x = plot.valToPos(best.bitsPerWeight, "x");
    const y = plot.valToPos(best.relativeRms * 100, "y");
    this.#host.tooltip.show(plot, { left: x, top: y, isPoint: true }, best.scheme, [
      `${best.bitsPerWeight.toFixed(3)} bits per weight`,
      `relative RMS ${formatShare(best.relativeRms)}`,
    ]);
  }
}

/** Smaller or better, and neither larger nor worse. */
function beats(a: SchemePoint, b: SchemePoint): boolean {
  return (
    a.bitsPerWeight <= b.bitsPerWeight &&
    a.relativeRms <= b.relativeRms &&
    (a.bitsPerWeight < b.bitsPerWeight || a.relativeRms < b.relativeRms)
  );
}

function drawPoint(
  ctx: CanvasRenderingContext2D,
  x: number,
  y: number,
  isOwn: boolean,
  palette: Palette,
): void {
  const ratio = uPlot.pxRatio;
  ctx.beginPath();
  ctx.arc(x, y, (isOwn ? 6 : 4.5) * ratio, 0, 2 * Math.PI);
  ctx.fillStyle = isOwn ? palette.level : palette.accent;
  ctx.fill();
  ctx.lineWidth = 2 * ratio;
  ctx.strokeStyle = palette.surface;
  ctx.stroke();
  if (!isOwn) return;
  ctx.beginPath();
  ctx.arc(x, y, 10 * ratio, 0, 2 * Math.PI);
  ctx.strokeStyle = palette.level;
  ctx.lineWidth = 1.5 * ratio;
  ctx.stroke();
}

function scaledFont(isBold: boolean, ratio: number): string {
  return (isBold ? "600 " : "") + PLOT_FONT.replace("12px", `${12 * ratio}px`);
}
