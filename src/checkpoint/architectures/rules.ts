/**
 * Which stored tensors are weights of linear layers, and which of them are quantized by default.
 *
 * The default set is what transformers 4 *and* 5 quantize when `llm_int8_skip_modules` is null.
 * Left in float besides: routers; per-expert Linears, because transformers 5 fuses them to one 3-D
 * parameter while loading and cannot do that with packed weights (v4 and vLLM can load them
 * quantized, so `--include` offers it: `kindOf` still says "linear"); and subclasses of nn.Linear
 * (Falcon's), which transformers 5.6 and later do not replace.
 */
import type { ModelIdentity } from "./identity.ts";
import { architectureOf } from "./lookup.ts";
import { patternSet } from "./patterns.ts";

export type LayerKind = "linear" | "conv1d";

export interface LayerRules {
  /** Whether the table has this model type. */
  readonly known: boolean;
  kindOf(tensorName: string, rank: number): LayerKind | undefined;
  isDefault(tensorName: string, rank: number): boolean;
  /** A per-expert weight or a subclass that only some loaders can load quantized. */
  isVersionBound(tensorName: string, rank: number): boolean;
}

/** Leaf names that are linear layers wherever they were seen. Output heads are not among them. */
const WELL_KNOWN_LINEAR: ReadonlySet<string> = new Set(
  (
    "q_proj k_proj v_proj o_proj qkv_proj out_proj gate_proj up_proj down_proj gate_up_proj " +
    "query_key_value dense_h_to_4h dense_4h_to_h fc1 fc2 fc_in fc_out " +
    "q_a_proj q_b_proj kv_a_proj_with_mqa kv_b_proj linear_fc1 linear_fc2"
  ).split(" "),
);

/** Anything under such a segment may be an expert, a router or a head: unknown types leave it. */
const UNSURE = /(^|\.)(experts|router|gate|lm_head|classifier|head|heads|score|pooler)(\.|$)/;

/** "a.b.weight" → "a.b"; undefined for anything that is not a rank-2 weight. */
export function moduleOf(tensorName: string, rank: number): string | undefined {
  return rank === 2 && tensorName.endsWith(".weight") ? tensorName.slice(0, -7) : undefined;
}

export function layerRules(identity: ModelIdentity): LayerRules {
  const found = architectureOf(identity);
  if (found === undefined) return unknownRules;
  const { row, keep } = found;
  const loadable = patternSet(row.linear, row.heads);
  const float = patternSet(row.float);
  const forced = patternSet(row.forced);
  const conv1d = patternSet(row.conv1d === "linear" ? row.linear : row.conv1d);
  const kindOf = (module: string): LayerKind | undefined => {
    if (conv1d.has(module)) return "conv1d";
    return loadable.has(module) || float.has(module) || forced.has(module) ? "linear" : undefined;
  };
  return {
    known: true,
    kindOf(tensorName, rank) {
      const module = moduleOf(tensorName, rank);
      return module === undefined ? undefined : kindOf(module);
    },
    isDefault(tensorName, rank) {
      const module = moduleOf(tensorName, rank);
      if (module === undefined || !loadable.has(module)) return false;
      return !keep.has(module) && !float.has(module) && !forced.has(module);
    },
    isVersionBound(tensorName, rank) {
      const module = moduleOf(tensorName, rank);
      return module !== undefined && float.has(module);
    },
  };
}

const unknownRules: LayerRules = {
  known: false,
  kindOf(tensorName, rank) {
    const module = moduleOf(tensorName, rank);
    if (module === undefined) return undefined;
    return WELL_KNOWN_LINEAR.has(module.slice(module.lastIndexOf(".") + 1)) ? "linear" : undefined;
  },
  isDefault(tensorName, rank) {
    const module = moduleOf(tensorName, rank);
    return (
      module !== undefined && this.kindOf(tensorName, rank) !== undefined && !UNSURE.test(module)
    );
  },
  isVersionBound: () => false,
};
