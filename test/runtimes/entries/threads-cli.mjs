/** For runtimes with a command line: the expectation is the argument, the result a line. */

import { result } from "./threads-entry.mjs";

const [expected] = globalThis.Deno?.args ?? process.argv.slice(2);
console.log(`QUANTWISE RESULT ${JSON.stringify(await result(JSON.parse(expected)))}`);
