/** Debian's Chromium, Firefox and WebKit, without drivers: each opens the lobby and is led on. */

import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { servePages } from "./pages.mjs";
import { start, stop } from "./processes.mjs";
import { versionOf } from "./rows.mjs";

/** WebKitGTK's own browser, in a folder that is named after the machine's architecture. */
function miniBrowser() {
  for (const folder of readdirSync("/usr/lib").filter((name) => name.endsWith("-linux-gnu"))) {
    for (const version of ["6.0", "4.1", "4.0"]) {
      const path = `/usr/lib/${folder}/webkit2gtk-${version}/MiniBrowser`;
      if (existsSync(path)) return path;
    }
  }
  return "MiniBrowser";
}

const FIREFOX_PREFERENCES = {
  "app.normandy.enabled": false,
  "app.update.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "browser.startup.homepage_override.mstone": "ignore",
  "datareporting.policy.dataSubmissionEnabled": false,
  "extensions.update.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "services.settings.server": "http://127.0.0.1:9/",
  "toolkit.telemetry.enabled": false,
  "toolkit.telemetry.server": "",
};

export const BROWSERS = {
  chromium: {
    command: () => "chromium",
    launch: (profile, url, flags) => ({
      args: [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--remote-debugging-port=0",
        `--user-data-dir=${profile}`,
        ...flags,
        url,
      ],
    }),
  },
  firefox: {
    command: () => (existsSync("/usr/bin/firefox-esr") ? "firefox-esr" : "firefox"),
    /** @param flags preferences, as name=1 or name=true */
    launch: (profile, url, flags) => {
      const own = flags
        .map((flag) => flag.split("="))
        .map(([name, value]) => [name, value === "true" ? true : Number(value)]);
      const lines = [...Object.entries(FIREFOX_PREFERENCES), ...own].map(
        ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
      );
      writeFileSync(join(profile, "user.js"), lines.join(""));
      return { args: ["--headless", "--no-remote", "--profile", profile, url] };
    },
  },
  webkit: {
    command: miniBrowser,
    needsScreen: true,
    launch: async (profile, url, flags) => {
      const { screen, display } = await virtualScreen();
      return {
        args: [...flags, url],
        env: {
          DISPLAY: display,
          HOME: profile,
          XDG_RUNTIME_DIR: profile,
          // Its sandbox wants namespaces that a container may not give.
          WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1",
        },
        beside: screen,
      };
    },
  },
};

const versions = new Map();

/** What a browser says of itself, asked once. */
export async function browserVersion(name) {
  if (!versions.has(name)) {
    const { command, needsScreen } = BROWSERS[name];
    const { screen, display } = needsScreen ? await virtualScreen() : {};
    try {
      versions.set(name, await versionOf(command(), needsScreen ? { DISPLAY: display } : {}));
    } finally {
      if (screen !== undefined) stop(screen);
    }
  }
  return versions.get(name);
}

/** An X server without a screen; it says which display it took. */
async function virtualScreen() {
  const screen = start("Xvfb", ["-displayfd", "1", "-nolisten", "tcp"]);
  const number = await new Promise((resolve, reject) => {
    screen.stdout.once("data", (text) => resolve(String(text).trim()));
    screen.once("error", reject);
    screen.once("close", (code) => reject(new Error(`Xvfb ended with ${code}`)));
  });
  return { screen, display: `:${number}` };
}

/** One browser at a time: asking for another ends the one before. */
export function createBrowsers(folder) {
  let current;
  const close = () => {
    if (current === undefined) return;
    stop(current.child);
    if (current.beside !== undefined) stop(current.beside);
    current.pages.close();
    rmSync(current.profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    current = undefined;
  };
  const open = async (name, flags) => {
    const key = [name, ...flags].join(" ");
    if (current?.key === key && current.child.exitCode === null) return current;
    close();
    const { command, launch } = BROWSERS[name];
    mkdirSync(folder, { recursive: true });
    const profile = mkdtempSync(join(folder, `${name}-`));
    const pages = await servePages();
    const { args, env, beside } = await launch(profile, pages.lobby, flags);
    const child = start(command(), args, { env });
    current = { key, child, beside, pages, profile, said: "" };
    const mine = current;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        mine.said = (mine.said + text).slice(-4000);
      });
    }
    child.on("error", (error) => {
      mine.said += error.message;
    });
    return current;
  };
  return {
    close,
    /** Opens the browser, unless it is open, and sends it to a page. */
    async visit(name, page, flags = []) {
      const browser = await open(name, flags);
      try {
        return await browser.pages.visit(page);
      } catch (error) {
        // It may hang: the next visit gets a fresh one.
        close();
        throw new Error(`${error.message}; the browser said: ${browser.said.slice(-1500)}`);
      }
    },
  };
}
