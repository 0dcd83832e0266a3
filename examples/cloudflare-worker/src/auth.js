/** One bearer token, which is a secret of the Worker's. */

import { Problem } from "./problem.js";

export async function isAuthorized(request, { TOKEN }) {
  if (typeof TOKEN !== "string" || TOKEN.length < 16) {
    throw new Problem(500, "the secret TOKEN is missing or shorter than 16 characters");
  }
  const given = /^Bearer (\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
  const [expected, received] = await Promise.all([digestOf(TOKEN), digestOf(given)]);
  // Every byte is looked at, so that the time tells nothing.
  let difference = 0;
  for (let i = 0; i < expected.length; i++) difference |= expected[i] ^ received[i];
  return difference === 0;
}

async function digestOf(text) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}
