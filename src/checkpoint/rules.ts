/** Which tensor becomes what: exclude, then rules, then include, then the defaults. */

import type { Dtype } from "../formats/safetensors/index.ts";
import { ArgumentError, PlanError, quoted } from "../foundation/errors.ts";
import { QUANT_TYPES, type QuantType } from "../schemes/registry.ts";
import type { LayerRules } from "./architectures/index.ts";
import { globMatcher } from "./glob.ts";

/** What happens to a tensor. */
export type Action = QuantType | "copy";

export const ACTIONS: readonly Action[] = ["copy", ...QUANT_TYPES];

/** One `--rule`: tensors that match `pattern` get `action`. */
export interface Rule {
  readonly pattern: string;
  readonly action: Action;
}

export interface Selection {
  /** Globs of tensors to leave as they are; they go before everything else. */
  readonly exclude?: readonly string[];
  /** Looked at in order; the first that matches decides. */
  readonly rules?: readonly Rule[];
  /** Globs that replace the default set; of what they match, matrices (rank ≥ 2) are quantized. */
  readonly include?: readonly string[];
}

/** What a rule looks at. */
export interface Candidate {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

/**
 * Parses `GLOB=QUANT_TYPE` or `GLOB=copy`, split at the last `=`.
 *
 * @throws ArgumentError naming what is wrong
 */
export function parseRule(text: string): Rule {
  const at = text.lastIndexOf("=");
  const pattern = text.slice(0, Math.max(0, at));
  const action = ACTIONS.find((name) => name === text.slice(at + 1));
  if (at <= 0 || action === undefined) {
    throw new ArgumentError("rule", `'GLOB=${[...QUANT_TYPES, "copy"].join("|")}'`, text);
  }
  return { pattern, action };
}

/**
 * Compiles a selection into one function.
 *
 * @param quantType what included and default tensors become
 * @throws ArgumentError for a bad glob or action
 */
export function actionChooser(
  selection: Selection,
  quantType: QuantType,
  layers: LayerRules,
): ActionChooser {
  for (const name of ["exclude", "include", "rules"] as const) {
    const list: unknown = selection[name];
    if (list === undefined || Array.isArray(list)) continue;
    const items = name === "rules" ? "{ pattern, action }" : "globs";
    throw new ArgumentError(name, `an array of ${items}`, list);
  }
  const exclude = (selection.exclude ?? []).map((glob) => globMatcher(glob, "exclude"));
  const include = selection.include?.map((glob) => globMatcher(glob, "include")) ?? [];
  const rules = (selection.rules ?? []).map(({ pattern, action }) => {
    if (!ACTIONS.includes(action)) {
      throw new ArgumentError("rule", [...QUANT_TYPES, "or copy"].join(", "), action);
    }
    return { matches: globMatcher(pattern, "rule"), pattern, action };
  });

  const unmatched = new Map([
    ...globs(selection.exclude, exclude, "--exclude"),
    ...globs(selection.include, include, "--include"),
    ...globs(
      selection.rules?.map(({ pattern }) => pattern),
      rules.map(({ matches }) => matches),
      "--rule",
    ),
  ]);

  const choose = (tensor: Candidate): Action => {
    const { name, shape } = tensor;
    for (const [glob, matches] of unmatched) if (matches(name)) unmatched.delete(glob);
    if (exclude.some((matches) => matches(name))) return "copy";
    const rule = rules.find(({ matches }) => matches(name));
    if (rule !== undefined) return obey(tensor, rule.action, `rule ${quoted(rule.pattern)}`);
    if (!isFloat(tensor.dtype)) return "copy";
    if (include.length > 0) {
      if (shape.length < 2 || !include.some((matches) => matches(name))) return "copy";
      return obey(tensor, quantType, "include");
    }
    return layers.isDefault(name, shape.length) ? emptyOr(quantType, shape) : "copy";
  };
  return { choose, unmatched: () => [...unmatched.keys()] };
}

/** Each glob as its user wrote it, and what it matches. */
function globs(
  patterns: readonly string[] = [],
  matchers: readonly ((name: string) => boolean)[],
  option: string,
): [string, (name: string) => boolean][] {
  return patterns.map((pattern, i) => [
    `${option} ${quoted(pattern)}`,
    matchers[i] as (name: string) => boolean,
  ]);
}

export interface ActionChooser {
  choose(tensor: Candidate): Action;
  /** Globs that have not matched any tensor so far: most often a slip. */
  unmatched(): readonly string[];
}

function obey({ name, dtype, shape }: Candidate, action: Action, who: string): Action {
  if (action === "copy") return action;
  if (!isFloat(dtype)) {
    throw new PlanError(
      `tensor ${quoted(name)}: ${who} asks for ${action}, but its dtype is ${dtype}; ` +
        "only F32, F16 and BF16 can be quantized",
    );
  }
  if (action === "llm-int8" && shape.length !== 2) {
    throw new PlanError(
      `tensor ${quoted(name)}: ${who} asks for llm-int8, which needs rank 2; ` +
        `its shape is [${shape.join(", ")}]`,
    );
  }
  return emptyOr(action, shape);
}

/** There is nothing to quantize in an empty tensor: it is copied. */
function emptyOr(action: Action, shape: readonly number[]): Action {
  return shape.includes(0) ? "copy" : action;
}

export function isFloat(dtype: Dtype): dtype is "F32" | "F16" | "BF16" {
  return dtype === "F32" || dtype === "F16" || dtype === "BF16";
}
