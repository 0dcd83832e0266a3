/** Levels of the block types that have some. ggml d99724f2, `ggml-common.h`. */

/** IQ4_NL and IQ4_XS (`kvalues_iq4nl`): denser near zero, and not symmetric. */
export const IQ4_LEVELS: Readonly<Int8Array> = /* @__PURE__ */ Int8Array.of(
  ...[-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113],
);

/** MXFP4 and NVFP4 (`kvalues_mxfp4`): E2M1 doubled, so that they are whole; code 8 is −0. */
export const E2M1_DOUBLED: Readonly<Int8Array> = /* @__PURE__ */ Int8Array.of(
  ...[0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12],
);
