// Files of results: a head, and a section for each benchmark, which it replaces when it runs again.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";

const ORDER = ["Kernels", "The library", "ONNX Runtime", "How cost grows"];

const HEAD = `# Benchmarks

\`npm run bench\` writes this; every section says when and where. One thread, unless it says otherwise. Contestants run in
turn in every round; figures are medians, with the 10th to 90th percentile. A ratio is the speed of ours over that of the
other in the same round. *memcpy* is \`TypedArray.set\` of as many f32, and 1 Gval/s is 1e9 values a second.

[Products with compressed weights](results-linear.md), [threads](results-threads.md), [other engines](results-engines.md),
[bitsandbytes, torch and transformers](results-peers.md), [whole checkpoints](results-convert.md) and
[what the schemes lose](results-schemes.md) have files of their own; [docs/performance.md](../docs/performance.md) says what
the figures mean.`;

/** Machine, version and date, for a table. */
export function setting() {
  const { node, v8 } = process.versions;
  const date = new Date().toISOString().slice(0, 10);
  return `${machine()}, Node ${node} (V8 ${v8}), ${date}.`;
}

export function machine() {
  return `${cpus().length} cores of ${cpus()[0]?.model.trim()}`;
}

/**
 * Puts a section into bench/results.md.
 *
 * @param {string} title
 * @param {string} text Markdown below the title
 */
export function putSection(title, text) {
  const path = new URL("../results.md", import.meta.url);
  const old = existsSync(path) ? readFileSync(path, "utf8") : "";
  writeFileSync(path, withSection(old, title, text));
}

/** @returns {string} the file with that section, in the usual order; sections of no benchmark go */
export function withSection(old, title, text) {
  const sections = new Map();
  for (const section of old.split(/^(?=## )/m)) {
    const name = /^## (.*)/.exec(section)?.[1];
    if (name !== undefined) sections.set(name, section.trimEnd());
  }
  sections.set(title, `## ${title}\n\n${text.trim()}`);
  const ordered = ORDER.filter((name) => sections.has(name)).map((name) => sections.get(name));
  return `${[HEAD, ...ordered].join("\n\n")}\n`;
}

/** "1.23 (1.20–1.25)" */
export function withSpread({ median, p10, p90 }, digits = median < 10 ? 2 : 0) {
  const [middle, low, high] = [median, p10, p90].map((n) => n.toFixed(digits));
  return `${middle} (${low}–${high})`;
}

/** A table in Markdown; columns but the first are right-aligned. */
export function tableOf(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  const dashes = head.map((_, i) => (i === 0 ? "---" : "--:"));
  return [line(head), `|${dashes.join("|")}|`, ...rows.map(line)].join("\n");
}
