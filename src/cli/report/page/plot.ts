/** What the three plots share: uPlot, the page's colours, a tooltip, and drawing anew. */

import uPlot from "uplot";
import { make } from "./elements.ts";

export { uPlot };

/** Colours of the moment, from the style's custom properties. */
export interface Palette {
  readonly text: string;
  readonly muted: string;
  readonly grid: string;
  readonly surface: string;
  readonly accent: string;
  readonly level: string;
  /** One a kind; what is more is `muted`. */
  readonly kinds: readonly string[];
}

function paletteNow(): Palette {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    text: colour("text"),
    muted: colour("muted"),
    grid: colour("grid"),
    surface: colour("surface"),
    accent: colour("accent"),
    level: colour("level"),
    kinds: [1, 2, 3, 4, 5, 6, 7].map((number) => colour(`kind-${number}`)),
  };
}

/** A colour of the palette, #rrggbb, that lets others through. @param opacity from 0 to 1 */
export function translucent(colour: string, opacity: number): string {
  return `${colour}${Math.round(opacity * 255)
    .toString(16)
    .padStart(2, "0")}`;
}

export const PLOT_FONT = '12px system-ui, -apple-system, "Segoe UI", sans-serif';

/** A plot's own part: everything but its size. */
export type PlotSource = (
  palette: Palette,
  width: number,
) => {
  readonly options: Omit<uPlot.Options, "width" | "height">;
  readonly data: uPlot.AlignedData;
};

const plots = new Set<PlotHost>();

/** A place for one plot. It is drawn anew when its width, the colours or its choices change. */
export class PlotHost {
  readonly tooltip: Tooltip;
  readonly #box: HTMLElement;
  readonly #height: number;
  readonly #source: PlotSource;
  #plot: uPlot | undefined;
  #width = 0;

  constructor(parent: HTMLElement, height: number, source: PlotSource) {
    this.#height = height;
    this.#source = source;
    this.#box = make("div", {
      className: "canvas",
      role: "img",
      "aria-label": parent.dataset.label ?? "",
    });
    this.tooltip = new Tooltip(this.#box);
    parent.append(this.#box);
    plots.add(this);
    new ResizeObserver(() => {
      if (Math.round(this.#box.clientWidth) !== this.#width) this.draw();
    }).observe(this.#box);
    this.draw();
  }

  draw(): void {
    this.#width = Math.round(this.#box.clientWidth);
    this.#plot?.destroy();
    this.tooltip.hide();
    if (this.#width === 0) return;
    const { options, data } = this.#source(paletteNow(), this.#width);
    this.#plot = new uPlot(
      { ...options, width: this.#width, height: this.#height, legend: { show: false } },
      data,
      this.#box,
    );
  }
}

export function drawAll(): void {
  for (const plot of plots) plot.draw();
}

/** Between a point and what is said of it, in CSS pixels. */
const GAP = 14;

/** The box beside the pointer. What it says is also in a table: screen readers need not hear it. */
export class Tooltip {
  readonly #box = make("div", { className: "tooltip", "aria-hidden": "true" });
  readonly #ring = make("div", { className: "ring" });
  readonly #parent: HTMLElement;

  constructor(parent: HTMLElement) {
    this.#parent = parent;
    parent.append(this.#ring, this.#box);
    this.hide();
  }

  hide(): void {
    this.#box.hidden = true;
    this.#ring.hidden = true;
  }

  /**
   * @param left where it points to, in CSS pixels of the plot's drawing area; top likewise
   * @param isPoint whether there is a point, which then gets a ring
   */
  show(
    plot: uPlot,
    {
      left,
      top,
      isPoint,
    }: { readonly left: number; readonly top: number; readonly isPoint: boolean },
    title: string,
    lines: readonly string[],
  ): void {
    this.#box.replaceChildren(
      make("strong", { text: title }),
      ...lines.map((text) => make("div", { text })),
    );
    this.#box.hidden = false;
    const x = plot.over.offsetLeft + left;
    const y = plot.over.offsetTop + top;
    const { offsetWidth: width, offsetHeight: height } = this.#box;
    const room = this.#parent.clientWidth;
    // Above the point, or below it at the upper edge; inside the page at the sides.
    const above = y - GAP - height;
    this.#box.style.left = `${Math.max(0, Math.min(x - width / 2, room - width))}px`;
    this.#box.style.top = `${above >= 0 ? above : y + GAP}px`;
    this.#ring.hidden = !isPoint;
    this.#ring.style.left = `${x}px`;
    this.#ring.style.top = `${y}px`;
  }
}

/** An axis in the page's colours. */
export function axis(palette: Palette, more: uPlot.Axis): uPlot.Axis {
  return {
    stroke: palette.muted,
    font: PLOT_FONT,
    labelFont: PLOT_FONT,
    labelSize: 18,
    labelGap: 0,
    grid: { stroke: palette.grid, width: 1 },
    ticks: { stroke: palette.grid, width: 1, size: 5 },
    ...more,
  };
}
