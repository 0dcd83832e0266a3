/** What two runs must have in common for one to take up the other's work. */

import { createHash } from "node:crypto";
import { basename } from "node:path";
import type { OpenedModel } from "../checkpoint/opened-model.ts";
import type { JobContent } from "../checkpoint/quantize-job.ts";
import type { OutputKind, QuantizeModelOptions } from "./quantize-options.ts";

/** Set by the build. */
declare const QUANTWISE_VERSION: string;

export interface RunIdentity {
  readonly version: string;
  readonly kind: OutputKind;
  readonly sources: readonly SourceIdentity[];
  /** Those that change bytes, by name. */
  readonly options: Readonly<Record<string, unknown>>;
  /** SHA-256 of every tensor's header entry and of what becomes of it. */
  readonly plan: string;
  /** SHA-256 of the config.json to be written. */
  readonly config: string;
}

export interface SourceIdentity {
  readonly name: string;
  readonly bytes: number;
  /** A file's time, an address's ETag. */
  readonly revision: string;
}

/** Options that change bytes, with the values that stand for their absence. */
const BYTE_OPTIONS = {
  quantType: "nf4",
  format: undefined,
  mode: "torch",
  blockSize: undefined,
  granularity: undefined,
  axis: undefined,
  symmetric: undefined,
  doubleQuant: undefined,
  quantStorage: "uint8",
  computeDtype: undefined,
  exclude: undefined,
  rules: undefined,
  include: undefined,
  maxShardSize: 5e9,
  allowNonFinite: false,
} as const satisfies Partial<Record<keyof QuantizeModelOptions, unknown>>;

export function runIdentity(
  kind: OutputKind,
  model: OpenedModel,
  options: QuantizeModelOptions,
  { plan, configText }: JobContent,
): RunIdentity {
  const given = Object.entries(BYTE_OPTIONS).map(([name, usual]) => {
    return [name, options[name as keyof typeof BYTE_OPTIONS] ?? usual] as const;
  });
  const hash = createHash("sha256");
  for (const unit of plan.units()) {
    const { file, entry, action, transpose, treatment } = unit;
    hash.update(
      JSON.stringify([file, entry, action, transpose, treatment?.coding, treatment?.layout.name]),
    );
  }
  return {
    version: typeof QUANTWISE_VERSION === "string" ? QUANTWISE_VERSION : "unbuilt",
    kind,
    sources: model.files.map(({ source }) => ({
      name: basename(source.name),
      bytes: source.size,
      revision: source.revision ?? "",
    })),
    options: Object.fromEntries(given.filter(([, value]) => value !== undefined)),
    plan: hash.digest("hex"),
    config: createHash("sha256").update(configText).digest("hex"),
  };
}

/** The first thing in which `now` differs from `before`, in words. */
export function differenceOf(before: RunIdentity, now: RunIdentity): string | undefined {
  const isSame = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  if (before.version !== now.version) {
    return `it was begun by quantwise ${before.version}, and this is ${now.version}`;
  }
  if (before.kind !== now.kind) return `it is to be a ${before.kind}, not a ${now.kind}`;
  for (const name of Object.keys({ ...before.options, ...now.options })) {
    const [was, is] = [before.options[name], now.options[name]];
    if (!isSame(was, is)) return `${name} was ${shown(was)}, and is ${shown(is)} now`;
  }
  if (before.sources.length !== now.sources.length) {
    return `the model had ${before.sources.length} files, and has ${now.sources.length} now`;
  }
  for (const [i, was] of before.sources.entries()) {
    const is = now.sources[i] as SourceIdentity;
    if (was.name !== is.name) return `the model's file was ${was.name}, and is ${is.name} now`;
    if (was.bytes !== is.bytes) {
      return `${was.name} has changed: it had ${was.bytes} bytes, and has ${is.bytes} now`;
    }
    if (was.revision !== is.revision) return `${was.name} was written to since`;
  }
  if (before.plan !== now.plan) return "the model's tensors, or what becomes of them, have changed";
  if (before.config !== now.config) return "config.json has changed";
  return undefined;
}

function shown(value: unknown): string {
  return value === undefined ? "not given" : JSON.stringify(value);
}
