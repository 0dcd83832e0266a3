/** The compiled kernels, imported: only workerd can. */

import module from "quantwise/kernels.wasm";

export { module };
