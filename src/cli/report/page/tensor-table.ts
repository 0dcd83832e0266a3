/** Sorting and filtering the table of tensors. The rows are there already; they only move. */

import { counted, formatCount } from "../../figures.ts";
import type { NumberColumn, PageTensors } from "../page-data.ts";
import { make } from "./elements.ts";

/** Columns whose largest number is what one looks for. */
const LARGEST_FIRST = new Set([
  "elements",
  "bits",
  "relativeRms",
  "largestError",
  "saturated",
  "clipped",
  "nonFinite",
]);

/** Cells that are read as text. */
const COLUMN = { name: 1, storedAs: 10 } as const;

interface Row {
  readonly element: HTMLTableRowElement;
  /** Place in the model's order: the text of the first cell. */
  readonly position: number;
}

export function enableTensorTable(
  table: HTMLElement,
  tools: HTMLElement,
  tensors: PageTensors,
): void {
  const body = table.querySelector("tbody");
  if (body === null) return;
  const rows = [...body.rows].map((element) => ({
    element,
    position: Number(element.cells[0]?.textContent),
  }));
  const titles = [...table.querySelectorAll<HTMLElement>("th[data-key]")];
  for (const title of titles) {
    const button = make("button", { type: "button", text: title.textContent ?? "" });
    button.addEventListener("click", () => {
      const key = title.dataset.key as string;
      const now = title.getAttribute("aria-sort");
      const isDescending = now === null ? LARGEST_FIRST.has(key) : now === "ascending";
      for (const other of titles) other.removeAttribute("aria-sort");
      title.setAttribute("aria-sort", isDescending ? "descending" : "ascending");
      rows.sort(orderOf(key, isDescending, tensors));
      body.append(...rows.map(({ element }) => element));
    });
    title.replaceChildren(button);
  }
  addFilter(tools, rows, tensors);
}

function orderOf(
  key: string,
  isDescending: boolean,
  tensors: PageTensors,
): (a: Row, b: Row) => number {
  const sign = isDescending ? -1 : 1;
  if (key === "name" || key === "storedAs") {
    const textOf = ({ element }: Row) => element.cells[COLUMN[key]]?.textContent ?? "";
    const { compare } = new Intl.Collator("en", { numeric: true });
    return (a, b) => sign * compare(textOf(a), textOf(b)) || a.position - b.position;
  }
  const numberOf = valuesOf(key, tensors);
  return (a, b) => {
    const [x, y] = [numberOf(a.position), numberOf(b.position)];
    if (x === y) return a.position - b.position;
    // What is unknown is neither large nor small: it comes last.
    if (x === undefined) return 1;
    if (y === undefined) return -1;
    return x < y ? -sign : sign;
  };
}

function valuesOf(key: string, tensors: PageTensors): (position: number) => number | undefined {
  // An unknown error is infinite.
  const error = (position: number) => tensors.relativeRms[position] ?? Number.POSITIVE_INFINITY;
  if (key === "position") return (position) => position;
  if (key === "relativeRms") return error;
  if (key === "sqnr") return (position) => -error(position);
  const column = (tensors as unknown as Readonly<Record<string, NumberColumn>>)[key];
  return (position) => column?.[position] ?? undefined;
}

/** A field that hides the rows without its words. */
function addFilter(tools: HTMLElement, rows: readonly Row[], tensors: PageTensors): void {
  const input = make("input", { type: "search", placeholder: "q_proj, layers.12, nf4 …" });
  const count = make("output", { text: counted(rows.length, "tensor") });
  const names = tensors.names.map((name) => name.toLowerCase());
  input.addEventListener("input", () => {
    const words = input.value
      .toLowerCase()
      .split(/[\s,]+/)
      .filter((word) => word !== "");
    let shown = 0;
    for (const { element, position } of rows) {
      const text = `${names[position]} ${element.cells[COLUMN.storedAs]?.textContent?.toLowerCase()}`;
      element.hidden = !words.every((word) => text.includes(word));
      if (!element.hidden) shown++;
    }
    const all = counted(rows.length, "tensor");
    count.textContent = words.length > 0 ? `${formatCount(shown)} of ${all}` : all;
  });
  const label = make("label", { className: "choice" }, document.createTextNode("Filter "), input);
  tools.append(make("div", { className: "tools" }, label, count));
}
