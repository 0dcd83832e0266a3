// Quantizes a model straight from its address: only the output touches the disk. See README.md.
// deno run --allow-net=huggingface.co,*.hf.co --allow-read=models --allow-write=models \
//   quantize-url.ts hf:org/name models/name-nf4 [nf4]

import { type QuantizeModelOptions, quantizeModel } from "quantwise/node";

const [input, output, type = "nf4"] = Deno.args;
// The library refuses a type that it does not know.
const quantType = type as QuantizeModelOptions["quantType"];
if (input === undefined || output === undefined) {
  console.error("quantize-url.ts <https://… or hf:org/name[@revision]> <output> [quant type]");
  Deno.exit(2);
}

// Ctrl-C leaves nothing behind.
const controller = new AbortController();
Deno.addSignalListener("SIGINT", () => controller.abort(new Error("stopped")));

let total = 0;
let done = 0;
let told = 0;
const begin = performance.now();
try {
  const { bytesBefore, bytesAfter, counts, warnings, kernels } = await quantizeModel(
    input,
    output,
    {
      quantType,
      signal: controller.signal,
      onPlan: (plan) => {
        total = plan.bytes;
      },
      onBytes: (count) => {
        done += count;
        if (performance.now() - told < 200) return;
        told = performance.now();
        write(`\r${((100 * done) / total).toFixed(1)} % of ${megabytes(total)}`);
      },
    },
  );
  write("\r");
  for (const warning of warnings) console.error(`warning: ${warning}`);
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  const kinds = Object.entries(counts).map(([type, count]) => `${count} ${type}`);
  console.log(`${megabytes(bytesBefore)} -> ${megabytes(bytesAfter)} in ${seconds} s`);
  console.log(`tensors: ${kinds.join(", ")}; kernels: ${kernels.name}`);
  Deno.exit(0);
} catch (error) {
  write("\r");
  console.error(`quantize-url.ts: ${error instanceof Error ? error.message : error}`);
  Deno.exit(1);
}

function write(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
