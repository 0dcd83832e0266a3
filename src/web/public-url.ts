/** URLs as messages and reports may show them: what is secret in one stays out. */

/** Origin and path: no user, no password, no query (where signatures are), no fragment. */
export function publicUrl(url: URL | string): string {
  const parsed = typeof url === "string" ? parsedUrl(url) : url;
  if (parsed === undefined) return "an address that is no URL";
  return `${parsed.protocol}//${parsed.host}${parsed.pathname}`;
}

/** Text of a runtime or a server in which URLs may occur. */
export function withPublicUrls(text: string): string {
  return text.replace(/\bhttps?:\/\/[^\s"'<>)]+/gi, publicUrl);
}

export function isWebUrl(text: string): boolean {
  return /^https?:\/\//i.test(text);
}

/** A token may go there: nobody on the way can read it. */
export function isConfidential({ protocol, hostname }: URL): boolean {
  return protocol === "https:" || isLoopback(hostname);
}

function isLoopback(hostname: string): boolean {
  return /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}

function parsedUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}
