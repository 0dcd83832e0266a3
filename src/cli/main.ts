#!/usr/bin/env node
/** The `quantwise` command. */

import { Command } from "commander";
import { QuantwiseError } from "../foundation/errors.ts";
import { compareCommand } from "./commands/compare.ts";
import { dequantizeCommand } from "./commands/dequantize.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { inspectCommand } from "./commands/inspect.ts";
import { planCommand } from "./commands/plan.ts";
import { quantizeCommand } from "./commands/quantize.ts";
import { verifyCommand } from "./commands/verify.ts";
import { KeptError } from "./kept.ts";

/** Set by the build. */
declare const QUANTWISE_VERSION: string;

/** Exit codes: 1 the job failed, 2 the command line is wrong, 130 interrupted. */
const FAILED = 1;
const USAGE = 2;
const INTERRUPTED = 130;

const program = new Command("quantwise")
  .description(
    "Quantize neural-network checkpoints, streamed: NF4, FP4, LLM.int8, INT4, INT8, MX, FP8.",
  )
  .version(QUANTWISE_VERSION)
  .showHelpAfterError("(quantwise --help shows what there is)")
  .showSuggestionAfterError()
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : USAGE));

const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => {
    // The second signal is from somebody who does not want to wait.
    if (interrupted.signal.aborted) process.exit(INTERRUPTED);
    interrupted.abort(new DOMException(`interrupted by ${name}`, "AbortError"));
  });
}

program.addCommand(quantizeCommand(interrupted.signal));
program.addCommand(dequantizeCommand(interrupted.signal));
program.addCommand(compareCommand(interrupted.signal));
program.addCommand(inspectCommand(interrupted.signal));
program.addCommand(verifyCommand(interrupted.signal));
program.addCommand(planCommand(interrupted.signal));
program.addCommand(doctorCommand(QUANTWISE_VERSION));
for (const command of program.commands) command.copyInheritedSettings(program);

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`quantwise: ${messageOf(error)}\n`);
  process.exitCode = interrupted.signal.aborted ? INTERRUPTED : exitCodeOf(error);
}
// Standard input may still be open, and nobody wants what it has.
if (!process.stdin.destroyed && process.stdin.readableFlowing !== null) process.stdin.destroy();

function exitCodeOf(error: unknown): number {
  if (error instanceof KeptError) return exitCodeOf(error.cause);
  return error instanceof QuantwiseError && error.code === "ARGUMENT" ? USAGE : FAILED;
}

function messageOf(error: unknown): string {
  if (error instanceof KeptError) {
    const { cause, hint } = error;
    return `${isAbort(cause) ? cause.message : messageOf(cause)}\nquantwise: ${hint}`;
  }
  if (error instanceof QuantwiseError) return error.message;
  if (isAbort(error)) return `${error.message}; nothing was left behind`;
  // What we did not foresee: the stack helps whoever gets the report.
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function isAbort(error: unknown): error is DOMException {
  return error instanceof DOMException && error.name === "AbortError";
}
