// Bundles the library's TypeScript into a temporary file and imports it.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const ENTRY = `
export { createKernelSet } from "./src/kernels/select.ts";
export { NF4 } from "./src/schemes/nf4.ts";
export { FP4 } from "./src/schemes/fp4.ts";
export { INT8 } from "./src/schemes/affine.ts";
export { E2M1, E4M3 } from "./src/schemes/float-format.ts";
export { dynamic8 } from "./src/schemes/dynamic8.ts";
import { midpointDecision } from "./src/schemes/codebook.ts";
export const midpoints = (codebook) => midpointDecision(codebook).midpoints;
`;

export async function loadSource() {
  const folder = mkdtempSync(join(tmpdir(), "quantwise-bench-"));
  try {
    const outfile = join(folder, "library.mjs");
    await build({
      stdin: { contents: ENTRY, resolveDir: fileURLToPath(new URL("../..", import.meta.url)) },
      bundle: true,
      format: "esm",
      platform: "node",
      target: "es2022",
      logLevel: "error",
      outfile,
    });
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
