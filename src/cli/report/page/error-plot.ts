/** The error of each tensor in the model's order, coloured by what the tensor is for. */

import { counted, formatDecibels, formatShare } from "../../figures.ts";
import type { NumberColumn, PageTensors } from "../page-data.ts";
import { checkbox, choice, make } from "./elements.ts";
import { axis, type Palette, PlotHost, translucent, type uPlot } from "./plot.ts";
import { logTicks, padded, tickText } from "./scales.ts";

const HEIGHT = 360;

/** How near the pointer must be to a point, in CSS pixels. */
const NEAR = 40;

/** Of at least one tensor with an error: see `kinds`. */
export class ErrorPlot {
  readonly #tensors: PageTensors;
  readonly #host: PlotHost;
  /** Per kind: whether it is drawn. */
  readonly #shown: boolean[];
  #inDecibels = false;
  #isLog: boolean;

  constructor(parent: HTMLElement, tensors: PageTensors) {
    this.#tensors = tensors;
    this.#shown = tensors.kinds.map(() => true);
    const { relativeRms } = tensors;
    const [lowest, highest, drawn] = rangeOf(relativeRms);
    // Ten times between the best and the worst: a linear plot would show the worst only.
    this.#isLog = highest > 10 * lowest;
    const log = checkbox("Log scale", this.#isLog, (checked) => {
      this.#isLog = checked;
      this.#host.draw();
    });
    const unit = choice("Show ", ["relative RMS", "SQNR, dB"], (index) => {
      this.#inDecibels = index === 1;
      log.hidden = this.#inDecibels;
      this.#host.draw();
    });
    parent.append(make("div", { className: "tools" }, unit, log), this.#legend());
    this.#host = new PlotHost(parent, HEIGHT, (palette, width) => this.#source(palette, width));
    const hidden = relativeRms.length - drawn;
    if (hidden > 0) {
      const text = `Not drawn: ${counted(hidden, "tensor")} without a finite error above 0.`;
      parent.append(make("p", { className: "note", text }));
    }
  }

  /** Buttons that hide and show a kind. */
  #legend(): HTMLElement {
    const buttons = this.#tensors.kinds.map((kind, index) => {
      const key = make("i", { className: `key kind-${index + 1}` });
      const button = make("button", { type: "button", "aria-pressed": "true" }, key);
      button.append(make("bdi", { text: kind || "(no name)" }));
      button.addEventListener("click", () => {
        this.#shown[index] = !this.#shown[index];
        button.setAttribute("aria-pressed", String(this.#shown[index]));
        this.#host.draw();
      });
      return button;
    });
    return make(
      "div",
      { className: "legend", role: "group", "aria-label": "Kinds shown" },
      ...buttons,
    );
  }

  #valueOf(position: number): number | null {
    const error = this.#tensors.relativeRms[position] as number | null;
    if (error === null || error === 0) return null;
    return this.#inDecibels ? -20 * Math.log10(error) : error * 100;
  }

  #source(palette: Palette, width: number) {
    const { kinds, kindOf, names } = this.#tensors;
    const isLog = this.#isLog && !this.#inDecibels;
    const positions = names.map((_, position) => position);
    const columns = kinds.map((_, kind) =>
      positions.map((position) =>
        kindOf[position] === kind && this.#shown[kind] ? this.#valueOf(position) : null,
      ),
    );
    const size = names.length > 600 || width < 500 ? 4 : 6;
    const unit = this.#inDecibels ? " dB" : " %";
    const options: Omit<uPlot.Options, "width" | "height"> = {
      scales: {
        x: { time: false, range: (_, from, to) => [from - 0.5, to + 0.5] },
        y: {
          distr: isLog ? 3 : 1,
          range: (_, lowest, highest) =>
            lowest === null ? [1, 10] : padded(lowest, highest, isLog),
        },
      },
      axes: [
        axis(palette, {
          size: 32,
          label: this.#hasLayers() ? "layer" : "tensor",
          ...this.#layerTicks(width),
        }),
        axis(palette, {
          size: 58,
          values: (_, splits) => splits.map((split) => tickText(split) + unit),
          ...(isLog
            ? { splits: (_, __, from, to) => logTicks(from, to), filter: (_, s) => s }
            : {}),
        }),
      ],
      series: [{}, ...kinds.map((kind, index) => series(kind, index, palette, size))],
      cursor: { points: { show: false }, y: false, drag: { x: true, y: false } },
      hooks: { setCursor: [(plot) => this.#hover(plot)] },
    };
    return { options, data: [positions, ...columns] as uPlot.AlignedData };
  }

  #hasLayers(): boolean {
    return this.#tensors.layerOf.some((layer) => layer !== null);
  }

  /** Ticks where a layer begins, as many as fit. */
  #layerTicks(width: number): Pick<uPlot.Axis, "splits" | "values" | "filter"> {
    if (!this.#hasLayers()) return {};
    const { layerOf } = this.#tensors;
    const starts = layerOf.flatMap((layer, position) =>
      layer !== null && layer !== layerOf[position - 1] ? [position] : [],
    );
    return {
      splits: (_, __, from, to) => {
        const visible = starts.filter((position) => position >= from && position <= to);
        const every = Math.ceil(visible.length / Math.max(2, Math.floor(width / 44)));
        return visible.filter((_, at) => at % every === 0);
      },
      values: (_, splits) => splits.map((position) => String(layerOf[position] ?? "")),
      filter: (_, splits) => splits,
    };
  }

  #hover(plot: uPlot): void {
    const { left = -1, top = -1 } = plot.cursor;
    const nearest = left < 0 ? undefined : this.#nearest(plot, left, top);
    if (nearest === undefined) {
      this.#host?.tooltip.hide();
      return;
    }
    const { names, bits, elements, relativeRms } = this.#tensors;
    const { position, x, y } = nearest;
    const error = relativeRms[position] as number;
    this.#host.tooltip.show(plot, { left: x, top: y, isPoint: true }, names[position] as string, [
      `relative RMS ${formatShare(error)}, SQNR ${formatDecibels(-20 * Math.log10(error))}`,
      `${counted(elements[position] ?? 0, "weight")} at ${(bits[position] ?? 0).toFixed(3)} bits`,
    ]);
  }

  #nearest(plot: uPlot, left: number, top: number) {
    const from = Math.max(0, Math.floor(plot.posToVal(left - NEAR, "x")));
    const to = Math.min(this.#tensors.names.length - 1, Math.ceil(plot.posToVal(left + NEAR, "x")));
    let best: { readonly position: number; readonly x: number; readonly y: number } | undefined;
    let distance = NEAR;
    for (let position = from; position <= to; position++) {
      const value = this.#valueOf(position);
      if (value === null || !this.#shown[this.#tensors.kindOf[position] as number]) continue;
      const x = plot.valToPos(position, "x");
      const y = plot.valToPos(value, "y");
      const own = Math.hypot(x - left, y - top);
      if (own < distance) {
        distance = own;
        best = { position, x, y };
      }
    }
    return best;
  }
}

/** The least and the largest error that is drawn, and how many are. */
function rangeOf(errors: NumberColumn): readonly [number, number, number] {
  let [lowest, highest, drawn] = [Number.POSITIVE_INFINITY, 0, 0];
  for (const error of errors) {
    if (error === null || error === 0) continue;
    lowest = Math.min(lowest, error);
    highest = Math.max(highest, error);
    drawn++;
  }
  return [lowest, highest, drawn];
}

/** A kind's points, joined by a thin line; what is "other" has nothing in common. */
function series(kind: string, index: number, palette: Palette, size: number): uPlot.Series {
  const colour = palette.kinds[index] ?? palette.muted;
  return {
    label: kind,
    stroke: translucent(colour, 0.45),
    width: 1,
    spanGaps: true,
    ...(palette.kinds[index] === undefined ? { paths: () => null } : {}),
    points: { show: true, size, width: 0, fill: colour, stroke: colour },
  };
}
