/** Limits on safetensors files: what is read, what is written, and why each number is generous. */

/** The little-endian u64 in front of the header that holds the header's length. */
export const LENGTH_BYTES = 8;

/**
 * Longest header that is read. Headers of 126 MB with 1.3 million tensors exist (safetensors issue
 * 668); the reference library itself refuses more than 100 MB. A hostile length costs nothing:
 * memory grows with the bytes that really come.
 */
export const MAX_HEADER_BYTES = 512 * 2 ** 20;

/** Longest header that is written: safetensors 0.8 refuses to read a longer one. */
export const WRITTEN_HEADER_BYTES_MAX = 100_000_000;

/** The written header's length is a multiple of this, so that the data begins aligned. */
export const HEADER_ALIGNMENT_BYTES = 8;

/** Longest tensor name in UTF-8. The longest known names have some hundred bytes. */
export const MAX_NAME_BYTES = 65_536;

/** Most dimensions: NumPy and PyTorch cannot hold more. */
export const MAX_RANK = 64;

/**
 * All keys and values of `__metadata__` together. LoRA trainers store megabytes of JSON there; the
 * reference library's cap on the whole header is as high.
 */
export const MAX_METADATA_BYTES = 100_000_000;

/** Entries of `__metadata__`: each costs some hundred bytes, real files have a few dozen. */
export const MAX_METADATA_ENTRIES = 100_000;

/** Largest size, offset or element count: above, JavaScript numbers skip integers. */
export const MAX_BYTES = Number.MAX_SAFE_INTEGER;

/** Bytes asked of a source at once while the header is read. */
export const HEADER_WINDOW_BYTES = 2 ** 20;

/** Longest `model.safetensors.index.json`; one of 60 MB with 497,000 tensors is known. */
export const MAX_INDEX_BYTES = 512 * 2 ** 20;

/** Most tensors in an index: a JavaScript Map ends at 2^24 entries. */
export const MAX_INDEX_TENSORS = 10_000_000;

/** Longest shard file name: what common file systems allow. */
export const MAX_SHARD_NAME_BYTES = 255;
