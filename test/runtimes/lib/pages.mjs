/**
 * A server that leads one browser from page to page. The browser opens the lobby, the lobby goes to the
 * next visit, the visit's page posts what it found and goes back. So a browser needs no driver.
 */

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const TYPES = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

const html = (script) =>
  `<!doctype html><meta charset="utf-8"><title>quantwise</title><script type="module" src="${script}"></script>`;

const LOBBY = `for (;;) {
  const next = await fetch("/next").then((response) => response.text(), () => "");
  if (next !== "") { location.href = next; break; }
  await new Promise((resolve) => setTimeout(resolve, 100));
}`;

export async function servePages() {
  let visit;
  let count = 0;
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://suite");
    const send = (type, body, headers = {}) => {
      response.writeHead(200, { "content-type": type, "cache-control": "no-store", ...headers });
      response.end(body);
    };
    const file = visit !== undefined && pathname.startsWith(visit.path) ? visit : undefined;
    const name = file === undefined ? pathname : pathname.slice(file.path.length);
    if (pathname === "/lobby") return send(TYPES[".html"], html("/lobby.mjs"));
    if (pathname === "/lobby.mjs") return send(TYPES[".mjs"], LOBBY);
    if (pathname === "/next") {
      const path = visit === undefined || visit.isTaken ? "" : visit.path;
      if (visit !== undefined) visit.isTaken = true;
      return send("text/plain", path);
    }
    if (file === undefined) return response.writeHead(404).end();
    if (name === "expected") return send("application/json", JSON.stringify(file.expected));
    if (name === "done") {
      let body = "";
      request.setEncoding("utf8").on("data", (text) => {
        body += text;
      });
      request.on("end", () => {
        send("text/plain", "");
        file.done(JSON.parse(body));
      });
      return;
    }
    try {
      if (name === "") send(TYPES[".html"], html(file.script), file.headers);
      else send(TYPES[extname(name)] ?? "text/plain", file.read(name), file.headers);
    } catch (error) {
      response.writeHead(404).end(error.message);
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${server.address().port}`;
  return {
    lobby: `${origin}/lobby`,
    /**
     * Sends the waiting browser to a page.
     *
     * @param script   of the page, below `folder`
     * @param rewrite  of what is read: (name, text) → text
     * @returns what the page posted
     */
    visit({ folder, script, expected, headers = {}, rewrite = (_, text) => text, seconds = 60 }) {
      count++;
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          visit = undefined;
          reject(new Error(`the page gave no result in ${seconds} s`));
        }, seconds * 1000);
        visit = {
          path: `/visit-${count}/`,
          script,
          expected,
          headers,
          read: (name) => {
            const bytes = readFileSync(join(folder, normalize(`/${name}`)));
            return /\.m?js$/.test(name) ? rewrite(name, bytes.toString("utf8")) : bytes;
          },
          done: (result) => {
            clearTimeout(timer);
            visit = undefined;
            resolve(result);
          },
        };
      });
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
