/** Brings the doors and the suite together, as a user's module would. */

import * as core from "quantwise";
import * as checkpoint from "quantwise/checkpoint";
import * as gguf from "quantwise/gguf";
import * as linear from "quantwise/linear";
import * as safetensors from "quantwise/safetensors";
import * as schemes from "quantwise/schemes";
import answers from "./answers.mjs";
import { run } from "./suite.mjs";

export const result = (expected) =>
  run({ core, checkpoint, gguf, linear, safetensors, schemes }, answers, expected);
