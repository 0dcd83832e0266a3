/** What a tensor is for, told by its name: which layer, and which part of a layer. */

export interface TensorKinds {
  /** Kinds of what is drawn, the most frequent first; the last is "other" where there are many. */
  readonly kinds: readonly string[];
  /** Index of each tensor's kind; −1 for a tensor that is not drawn. */
  readonly kindOf: readonly number[];
  /** Layer number of each tensor; null outside layers. */
  readonly layerOf: readonly (number | null)[];
}

/** As many as people tell apart by colour. */
const MOST_KINDS = 7;

const NUMBER = /^\d{1,6}$/;

/**
 * The first number in a name is the layer, what follows is the kind, other numbers are alike:
 * "model.layers.3.mlp.experts.5.up_proj.weight" is kind "mlp.experts.*.up_proj" of layer 3.
 *
 * @param isDrawn whether the tensor at a position has a point: kinds are for telling points apart
 */
export function tensorKinds(
  names: readonly string[],
  isDrawn: (position: number) => boolean,
): TensorKinds {
  const parts = names.map(partsOf);
  const frequency = new Map<string, number>();
  for (const [position, { kind }] of parts.entries()) {
    if (isDrawn(position)) frequency.set(kind, (frequency.get(kind) ?? 0) + 1);
  }
  const ranked = [...frequency.entries()].sort(([, a], [, b]) => b - a).map(([kind]) => kind);
  const kinds = ranked.length <= MOST_KINDS ? ranked : [...ranked.slice(0, MOST_KINDS), "other"];
  const indexOf = new Map(kinds.map((kind, index) => [kind, index]));
  return {
    kinds,
    kindOf: parts.map(({ kind }, position) =>
      isDrawn(position) ? (indexOf.get(kind) ?? MOST_KINDS) : -1,
    ),
    layerOf: parts.map(({ layer }) => layer),
  };
}

function partsOf(name: string): { readonly kind: string; readonly layer: number | null } {
  const segments = name.split(".");
  if (segments.length > 1 && segments.at(-1) === "weight") segments.pop();
  const at = segments.findIndex((segment) => NUMBER.test(segment));
  if (at < 0) return { kind: segments.join("."), layer: null };
  const after = segments.slice(at + 1).map((segment) => (NUMBER.test(segment) ? "*" : segment));
  return { kind: after.join(".") || segments.slice(0, at).join("."), layer: Number(segments[at]) };
}
