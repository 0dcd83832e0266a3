/**
 * The columns of the generated table. A *pattern* is the end of a module path in which `*` stands
 * for an index and `{a,b}` for alternatives; it matches behind any prefix, at a segment boundary.
 */
export interface ArchitectureRow {
  /** `modelType=ClassStem`, space separated. Ends in `+`: tied by default; `?`: versions differ. */
  readonly types: string;
  /** Base-model prefix that head classes put before the base model's names ("model", "bert"). */
  readonly prefix?: string;
  /** Classes (what follows the stem) that are the base model itself: their files lack the prefix. */
  readonly base?: string;
  /** Linear or Conv1D modules that both loaders can quantize, inside the base model. */
  readonly linear?: string;
  /** The same, outside the base model: output embeddings and task heads. */
  readonly heads?: string;
  /** Linear in v4, but not to be quantized: per-expert Linears, routers, subclasses (see README). */
  readonly float?: string;
  /** Kept in float by `_keep_in_fp32_modules`; no skip list can change that. */
  readonly forced?: string;
  /** Which of `linear` are Conv1D; "linear" means all. */
  readonly conv1d?: string;
  /**
   * What a null skip list leaves in float: `patterns=Class Class;…`. `!`: the loaders disagree, and
   * the patterns are the union. `a | b`: a when embeddings are untied, b when tied.
   */
  readonly keep: string;
  /** `versions=Classes=disk>memory …;…`: path prefixes the loaded model spells differently. */
  readonly renames?: string;
}
