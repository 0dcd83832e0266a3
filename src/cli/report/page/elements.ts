/** Finding and making elements. Text is set as text: nothing here parses HTML. */

export function byId(id: string): HTMLElement | undefined {
  return document.getElementById(id) ?? undefined;
}

export interface Attributes {
  readonly text?: string;
  readonly className?: string;
  readonly [attribute: string]: string | undefined;
}

export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  { text, className, ...attributes }: Attributes = {},
  ...children: readonly Node[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className !== undefined) element.className = className;
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** A box to tick, with its label. */
export function checkbox(
  label: string,
  checked: boolean,
  onChange: (checked: boolean) => void,
): HTMLLabelElement {
  const input = make("input", { type: "checkbox" });
  input.checked = checked;
  input.addEventListener("change", () => onChange(input.checked));
  return make("label", { className: "check" }, input, document.createTextNode(label));
}

/** A list to choose one from, with its label. */
export function choice(
  label: string,
  options: readonly string[],
  onChange: (index: number) => void,
): HTMLLabelElement {
  const select = make("select");
  select.append(...options.map((text) => make("option", { text })));
  select.addEventListener("change", () => onChange(select.selectedIndex));
  return make("label", { className: "choice" }, document.createTextNode(label), select);
}
