/** For runtimes with a command line: the expectation is the argument, the result a line. */

import { result } from "./webgpu.mjs";

const [expected] = globalThis.Deno?.args ?? process.argv.slice(2);
console.log(`QUANTWISE RESULT ${JSON.stringify(await result(JSON.parse(expected)))}`);
// A device keeps some runtimes alive.
(globalThis.Deno ?? process).exit(0);
