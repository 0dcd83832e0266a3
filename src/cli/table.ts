/** Tables of text in aligned columns. Text from files cannot move the cursor or break a line. */

import { onOneLine } from "./one-line.ts";

export interface Column {
  readonly title: string;
  /** Numbers stand at the right. */
  readonly align: "left" | "right";
  /** May lose its middle where the table is wider than the terminal, such as a tensor's name. */
  readonly shrinks?: boolean;
}

export interface TableOptions {
  /** Terminal columns; left out, no text is ever cut. See `terminalWidth`. */
  readonly width?: number | undefined;
}

const GAP = "  ";

/** A shrunk column keeps at least this many terminal columns. */
const SHORTEST = 16;

/** The stream's columns when a person looks at it, undefined when it is piped or a file. */
export function terminalWidth(stream: {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}): number | undefined {
  return stream.isTTY === true && stream.columns !== undefined && stream.columns > 0
    ? stream.columns
    : undefined;
}

/**
 * Titles in the first line, then a line a row; every line ends with a newline.
 *
 * @param rows cells in the order of the columns; one left out is empty
 */
export function textTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  { width }: TableOptions = {},
): string {
  const lines = [columns.map(({ title }) => title), ...rows].map((row) =>
    columns.map((_, at) => onOneLine(row[at] ?? "")),
  );
  const widths = columns.map((_, at) =>
    lines.reduce((widest, line) => Math.max(widest, displayWidth(line[at] as string)), 0),
  );
  if (width !== undefined) shrink(columns, widths, width);
  return lines.map((line) => `${joined(line, columns, widths)}\n`).join("");
}

/** Takes what is too much from the widest column that shrinks, until it is even with the next. */
function shrink(columns: readonly Column[], widths: number[], width: number): void {
  const gaps = GAP.length * Math.max(0, columns.length - 1);
  let excess = widths.reduce((sum, own) => sum + own, gaps) - width;
  while (excess > 0) {
    let widest = -1;
    for (const [at, { shrinks = false }] of columns.entries()) {
      const own = widths[at] as number;
      if (shrinks && own > SHORTEST && own > (widths[widest] ?? 0)) widest = at;
    }
    if (widest < 0) return;
    widths[widest] = (widths[widest] as number) - 1;
    excess--;
  }
}

function joined(
  line: readonly string[],
  columns: readonly Column[],
  widths: readonly number[],
): string {
  const cells = line.map((cell, at) => {
    const width = widths[at] as number;
    const text = truncateMiddle(cell, width);
    const padding = " ".repeat(Math.max(0, width - displayWidth(text)));
    return columns[at]?.align === "right" ? padding + text : text + padding;
  });
  return cells.join(GAP).trimEnd();
}

/** `text` in at most `width` terminal columns: both ends of a name tell more than its middle. */
export function truncateMiddle(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  if (width < 1) return "";
  const characters = [...new Intl.Segmenter().segment(text)].map(({ segment }) => segment);
  const head = fitting(characters, Math.ceil((width - 1) / 2));
  const tail = fitting(characters.toReversed(), width - 1 - displayWidth(head.join("")));
  return `${head.join("")}…${tail.toReversed().join("")}`;
}

/** As many of the first characters as `width` columns hold. */
function fitting(characters: readonly string[], width: number): string[] {
  const taken: string[] = [];
  let used = 0;
  for (const character of characters) {
    used += displayWidth(character);
    if (used > width) break;
    taken.push(character);
  }
  return taken;
}

const NARROW = /^[\x20-\x7e]*$/;
const NO_WIDTH = /^[\p{M}\p{Cf}]$/u;
const WIDE =
  /^[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Emoji_Presentation}\u3000-\u303e\uff01-\uff60]$/u;

/** Terminal columns of a line: East Asian letters and emoji take two, combining marks none. */
export function displayWidth(text: string): number {
  if (NARROW.test(text)) return text.length;
  let width = 0;
  for (const character of text) {
    if (!NO_WIDTH.test(character)) width += WIDE.test(character) ? 2 : 1;
  }
  return width;
}
