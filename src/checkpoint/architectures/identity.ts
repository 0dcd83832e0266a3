/** What config.json says about the model, as far as the loaders' rules depend on it. */
export interface ModelIdentity {
  /** `model_type`. */
  readonly modelType?: string | undefined;
  /** `architectures`; the loaders build the first one. */
  readonly architectures: readonly string[];
  /** `tie_word_embeddings`; left out where config.json does not say. */
  readonly tieWordEmbeddings?: boolean | undefined;
}
