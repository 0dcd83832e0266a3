/** What the user says of single tensors of a GGUF file: `--rule`, `--exclude`. */

import { globMatcher } from "../checkpoint/glob.ts";
import { ArgumentError, quoted } from "../foundation/errors.ts";
import { BLOCK_TYPES, type BlockType } from "../schemes/ggml/block-types.ts";

/** Tensors that match `pattern` get the type, or stay as they are. */
export interface GgufRule {
  /** A glob over GGUF's names: `blk.*.ffn_down.weight`. */
  readonly pattern: string;
  readonly action: BlockType | "copy";
}

/** Types in the command line's spelling. */
const NAMES = [...BLOCK_TYPES.map((type) => type.toLowerCase()), "copy"];

/**
 * Parses `GLOB=TYPE` or `GLOB=copy`, split at the last `=`; the type in any case.
 *
 * @throws ArgumentError naming what is wrong
 */
export function parseGgufRule(text: string): GgufRule {
  const at = text.lastIndexOf("=");
  const pattern = text.slice(0, Math.max(0, at));
  const name = text.slice(at + 1).toLowerCase();
  if (at <= 0 || !NAMES.includes(name)) {
    throw new ArgumentError("rule", `'GLOB=${NAMES.join("|")}'`, text);
  }
  const action = name === "copy" ? name : (name.toUpperCase() as BlockType);
  return { pattern, action };
}

export interface GgufSelection {
  /** Looked at in order; the first that matches decides. */
  readonly rules?: readonly GgufRule[] | undefined;
  /** Globs of tensors to leave as they are; they go before everything else. */
  readonly exclude?: readonly string[] | undefined;
}

export interface GgufChooser {
  /** The action for a tensor and who wants it; undefined where nobody says anything. */
  choose(name: string): { readonly action: GgufRule["action"]; readonly who: string } | undefined;
  /** Globs that have not matched any tensor so far: most often a slip. */
  unmatched(): readonly string[];
}

/** @throws ArgumentError for a bad glob or type */
export function ggufChooser({ rules = [], exclude = [] }: GgufSelection): GgufChooser {
  const all = [
    ...exclude.map((pattern) => ({ pattern, action: "copy" as const, option: "exclude" })),
    ...rules.map((rule) => ({ ...rule, option: "rule" })),
  ].map(({ pattern, action, option }) => {
    if (action !== "copy" && !BLOCK_TYPES.includes(action)) {
      throw new ArgumentError("rule", [...BLOCK_TYPES, "or copy"].join(", "), action);
    }
    const who = `${option} ${quoted(pattern)}`;
    return { matches: globMatcher(pattern, option), action, who };
  });
  const unmatched = new Set(all);
  return {
    choose(name) {
      const matching = all.filter(({ matches }) => matches(name));
      for (const rule of matching) unmatched.delete(rule);
      return matching[0];
    },
    unmatched: () => [...unmatched].map(({ who }) => `--${who}`),
  };
}
