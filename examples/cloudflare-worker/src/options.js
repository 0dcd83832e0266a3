/** The address's query as options of quantwise, checked by quantwise itself. */

import { ArgumentError } from "quantwise";
import { Plan, parseRule } from "quantwise/checkpoint";

const NO_MODEL = { architectures: [] };

/** Query parameters, and what each adds to the options. */
const READERS = {
  type: (text) => ({ quantType: text }),
  format: (text) => ({ format: text }),
  granularity: (text) => ({ granularity: text }),
  blockSize: (text) => ({ blockSize: Number(text) }),
  doubleQuant: (text, name) => ({ doubleQuant: yesOrNo(name, text) }),
  symmetric: (text, name) => ({ symmetric: yesOrNo(name, text) }),
  exclude: (text, _, { exclude = [] }) => ({ exclude: [...exclude, text] }),
  include: (text, _, { include = [] }) => ({ include: [...include, text] }),
  rule: (text, _, { rules = [] }) => ({ rules: [...rules, parseRule(text)] }),
  modelType: (text, _, { model = NO_MODEL }) => ({ model: { ...model, modelType: text } }),
  architecture: (text, _, { model = NO_MODEL }) => ({
    model: { ...model, architectures: [...model.architectures, text] },
  }),
};

const REPEATED = new Set(["exclude", "include", "rule", "architecture"]);

/**
 * @returns options for QuantizeSafetensorsStream, plain JSON in one order whatever the query's; and
 * whether `queue=1` was there
 * @throws ArgumentError
 */
export function optionsOf(query) {
  const options = {};
  for (const name of new Set(query.keys())) {
    if (name !== "queue" && !Object.hasOwn(READERS, name)) {
      const known = [...Object.keys(READERS), "queue"].join(", ");
      throw new ArgumentError("query", `parameters among ${known}`, name);
    }
  }
  for (const [name, read] of Object.entries(READERS)) {
    const texts = query.getAll(name);
    if (texts.length > 1 && !REPEATED.has(name)) throw new ArgumentError(name, "one value", texts);
    for (const text of texts) Object.assign(options, read(text, name, options));
  }
  options.quantType ??= "nf4";
  new Plan([], options.model ?? NO_MODEL, options);
  return { options, wantsQueue: yesOrNo("queue", query.get("queue") ?? "0") };
}

function yesOrNo(name, text) {
  if (text === "1" || text === "true") return true;
  if (text === "0" || text === "false") return false;
  throw new ArgumentError(name, "1, 0, true or false", text);
}
