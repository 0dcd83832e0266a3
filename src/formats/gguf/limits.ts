/** Limits on GGUF files, and why each number is generous. What ggml enforces too is marked so. */

/** "GGUF", as a little-endian u32. */
export const MAGIC = 0x46554747;

/** Magic, version, and the counts of tensors and keys. */
export const COUNTS_BYTES = 24;

/** What is written; version 2 has the same layout and is read. Version 1 had 32-bit counts (ggml). */
export const WRITTEN_VERSION = 3;

/**
 * Longest header, which is kept in memory. A vocabulary of 262,144 tokens with its merges takes
 * about 10 MB. A hostile length costs nothing: memory grows with the bytes that really come.
 */
export const MAX_HEADER_BYTES = 256 * 2 ** 20;

/** Most keys: real files have some dozens. `@huggingface/gguf` has the same limit. */
export const MAX_KEYS = 100_000;

/** Most tensors in a file: the largest models have some thousands, as experts are stacked. */
export const MAX_TENSORS = 262_144;

/** Longest key: the format's own limit. ggml has none. */
export const MAX_KEY_BYTES = 65_535;

/** Longest string value, and most elements of an array (ggml). */
export const MAX_VALUE_LENGTH = 2 ** 30;

/** Longest tensor name: ggml keeps 64 bytes with a terminating zero. */
export const MAX_NAME_BYTES = 63;

/** Most dimensions (ggml). */
export const MAX_DIMENSIONS = 4;

/** Where no `general.alignment` says otherwise. */
export const DEFAULT_ALIGNMENT = 32;

/** Largest alignment: the largest page of common systems. ggml takes any power of two of 32 bits. */
export const MAX_ALIGNMENT = 2 ** 21;

/** Largest size, offset or element count: above, JavaScript numbers skip integers. */
export const MAX_BYTES = Number.MAX_SAFE_INTEGER;

/** Bytes asked of a source at once while the header is read. */
export const HEADER_WINDOW_BYTES = 2 ** 20;
