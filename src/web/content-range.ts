/** The `Content-Range` header: which bytes a partial answer holds, and of how many. */

export interface ContentRange {
  readonly start: number;
  /** Behind the last byte. */
  readonly end: number;
  /** Of the whole file; undefined for "*". */
  readonly total: number | undefined;
}

/** Undefined for what is no range of bytes, or an impossible one. */
export function parseContentRange(header: string | null): ContentRange | undefined {
  const match = /^bytes\s+(\d+)-(\d+)\/(\d+|\*)$/i.exec(header?.trim() ?? "");
  if (match === null) return undefined;
  const [start, last] = [Number(match[1]), Number(match[2])];
  const total = match[3] === "*" ? undefined : Number(match[3]);
  const end = last + 1;
  const isPossible =
    Number.isSafeInteger(end) &&
    start <= last &&
    (total === undefined || (Number.isSafeInteger(total) && end <= total));
  return isPossible ? { start, end, total } : undefined;
}

/** The size in a refusal of a range: "bytes *" and a slash before it. */
export function unsatisfiedTotal(header: string | null): number | undefined {
  const match = /^bytes\s+\*\/(\d+)$/i.exec(header?.trim() ?? "");
  const total = Number(match?.[1]);
  return match !== null && Number.isSafeInteger(total) ? total : undefined;
}

/** A `Content-Length`; undefined for none, or one that is no number. */
export function contentLength(headers: Headers): number | undefined {
  const text = headers.get("content-length")?.trim() ?? "";
  const length = Number(text);
  return /^\d+$/.test(text) && Number.isSafeInteger(length) ? length : undefined;
}
