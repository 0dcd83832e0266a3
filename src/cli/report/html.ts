/** HTML from templates that escape: markup from a file is text. */

import { onOneLine } from "../one-line.ts";

/** HTML that is safe as it stands. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What a template takes: text and numbers are escaped, `Html` is not. */
export type HtmlValue = string | number | Html | readonly Html[];

/**
 * @example
 * html`<td>${name}</td>` // name may be "<script>"
 */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  let text = strings[0] as string;
  for (const [i, value] of values.entries()) text += textOf(value) + strings[i + 1];
  return new Html(text);
}

function textOf(value: HtmlValue): string {
  if (value instanceof Html) return value.text;
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return escapeHtml(value);
  return value.map(({ text }) => text).join("");
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** For text and for quoted attributes. Control characters become visible, as on a terminal. */
export function escapeHtml(text: string): string {
  return onOneLine(text).replace(/[&<>"']/g, (character) => ENTITIES[character] as string);
}

/** JSON inside a script element: no "<", so neither `</script>` nor `<!--` can end or open one. */
export function scriptJson(value: unknown): Html {
  return new Html(JSON.stringify(value).replace(/</g, "\\u003c"));
}
