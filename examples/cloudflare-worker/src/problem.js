/** Errors as answers: `{ "error": { "code", "message" } }`. */

import { QuantwiseError } from "quantwise";

/** Something that whoever asks can mend. */
export class Problem extends Error {
  constructor(status, message, headers = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

/** Codes of the library's errors that another attempt will not mend: wrong options, wrong files. */
const HOPELESS = new Set(["ARGUMENT", "PLAN", "FORMAT", "NON_FINITE"]);

export function isHopeless(error) {
  if (error instanceof Problem) return error.status < 500;
  return error instanceof QuantwiseError && HOPELESS.has(error.code);
}

export function problemResponse(error) {
  if (error instanceof Problem) {
    return answerOf(error.status, `HTTP_${error.status}`, error.message, error.headers);
  }
  if (isHopeless(error)) return answerOf(400, error.code, error.message);
  console.error(error);
  const said = error instanceof QuantwiseError ? error.message : "the job failed; see the logs";
  return answerOf(500, error.code ?? "INTERNAL", said);
}

function answerOf(status, code, message, headers = {}) {
  return Response.json({ error: { code, message } }, { status, headers });
}
