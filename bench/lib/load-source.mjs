// Bundles the library's TypeScript, into a temporary file that is imported or into programs.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

/** What the benchmarks use of the library. */
const ENTRY = `
export { dequantize, quantize, quantizeBatch } from "./src/index.ts";
export { createKernelSet } from "./src/kernels/select.ts";
export { NF4 } from "./src/schemes/nf4.ts";
export { FP4 } from "./src/schemes/fp4.ts";
export { INT4, INT8, UINT8 } from "./src/schemes/affine.ts";
export { E2M1, E4M3 } from "./src/schemes/float-format.ts";
export { dynamic8 } from "./src/schemes/dynamic8.ts";
import { midpointDecision } from "./src/schemes/codebook.ts";
export const midpoints = (codebook) => midpointDecision(codebook).midpoints;
`;

/** Specifier by which a bundled program imports the library. */
const SOURCE = "quantwise-source";

/**
 * Bundles a program that may import "quantwise-source" and the files beside this one.
 *
 * @param {string} program ECMAScript
 * @param {"node" | "browser"} platform
 */
export async function bundleProgram(program, outfile, platform = "node") {
  const resolveDir = fileURLToPath(new URL(".", import.meta.url));
  await build({
    stdin: { contents: program, resolveDir },
    plugins: [
      {
        name: SOURCE,
        setup({ onResolve, onLoad }) {
          onResolve({ filter: new RegExp(`^${SOURCE}$`) }, () => ({
            path: SOURCE,
            namespace: SOURCE,
          }));
          onLoad({ filter: /./, namespace: SOURCE }, () => ({
            contents: ENTRY,
            resolveDir: fileURLToPath(new URL("../..", import.meta.url)),
          }));
        },
      },
    ],
    bundle: true,
    format: "esm",
    platform,
    target: "es2022",
    logLevel: "error",
    outfile,
  });
}

export async function loadSource() {
  const folder = mkdtempSync(join(tmpdir(), "quantwise-bench-"));
  try {
    const outfile = join(folder, "library.mjs");
    await bundleProgram(`export * from "${SOURCE}";`, outfile);
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
