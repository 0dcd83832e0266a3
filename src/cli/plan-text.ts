/** The table of sizes for people: one unit for all of it, rows that read the same in one. */

import type {
  CountTable,
  ModelTable,
  RefusedRow,
  SizeRow,
  WholeModel,
} from "../checkpoint/size-table/index.ts";
import { printable } from "../foundation/errors.ts";
import { schemeOf } from "../schemes/registry.ts";
import type { Coding } from "../tensor/options.ts";
import { formatCount } from "./figures.ts";
import { onOneLine } from "./one-line.ts";
import { type Column, textTable } from "./table.ts";

export function planText(input: string, table: ModelTable | CountTable): string {
  return table.kind === "count" ? countText(table) : modelText(input, table);
}

function countText(table: CountTable): string {
  const { parameters, rows, refused, notes, assumptions, wholeModel } = table;
  const unit = unitOf(rows);
  const columns = [
    ...LABELS,
    right(`weights ${unit.name}`),
    right(`metadata ${unit.name}`),
    right(`total ${unit.name}`),
    right("bits/weight"),
    right("ratio"),
  ];
  const cells = (row: SizeRow) => [
    unit.text(row.codeBytes + row.keptBytes),
    unit.text(row.metadataBytes),
    unit.text(row.totalBytes),
    decimals(row.bitsPerWeightOverall, 3),
    decimals(row.ratio, 2),
  ];
  return [
    `${formatCount(parameters)} weights\n\n`,
    tableText(columns, rows, cells, refused, 4),
    notesText(notes),
    `\nAssumed:\n${listText(assumptions)}`,
    wholeModel === null ? "" : `\n${wholeModelText(wholeModel)}`,
  ].join("");
}

function wholeModelText(model: WholeModel): string {
  const title = `${model.name}, the whole model: ${formatCount(model.parameters)} weights\n\n`;
  const notes = [`computed from its published shape: ${model.shape}`, ...model.notes];
  return title + modelTableText(model) + notesText(notes);
}

function modelText(input: string, table: ModelTable): string {
  const { rows, source, quantizedTensors, tensors } = table;
  const quantized = rows[0]?.quantizedWeights ?? 0;
  const title =
    `${printable(input)}: ${formatCount(quantizedTensors)} of ${formatCount(tensors)} tensors are ` +
    `quantized, ${formatCount(quantized)} of ${formatCount(source.keptWeights)} weights; the other ` +
    `${formatCount(source.keptWeights - quantized)} stay as they are\n\n`;
  return title + modelTableText(table) + notesText([...table.notes, ...warningsOf(rows)]);
}

function modelTableText({ source, rows, refused }: ModelTable): string {
  const all = [source, ...rows].sort((a, b) => b.totalBytes - a.totalBytes);
  const unit = unitOf(all);
  const columns = [
    ...LABELS,
    right(`codes ${unit.name}`),
    right(`metadata ${unit.name}`),
    right(`kept ${unit.name}`),
    right(`header ${unit.name}`),
    right(`total ${unit.name}`),
    right("bits/weight"),
    right("over all"),
    right("ratio"),
  ];
  const cells = (row: SizeRow) => [
    unit.text(row.codeBytes),
    unit.text(row.metadataBytes),
    unit.text(row.keptBytes),
    unit.text(row.headerBytes),
    unit.text(row.totalBytes),
    decimals(row.bitsPerWeight, 3),
    decimals(row.bitsPerWeightOverall, 3),
    decimals(row.ratio, 2),
  ];
  return tableText(columns, all, cells, refused, 6);
}

/** @param refusalAt the column of the total, where a refused row says so */
function tableText(
  columns: readonly Column[],
  rows: readonly SizeRow[],
  cells: (row: SizeRow) => string[],
  refused: readonly RefusedRow[],
  refusalAt: number,
): string {
  const lines = joined(rows.map((row) => [row.scheme, scalesOf(row), ...cells(row)]));
  const reasons = [...new Set(refused.map(({ reason }) => reason))];
  const refusals = refused.map(({ scheme, options, reason }) => {
    const line = columns.map(() => "");
    line[0] = scheme;
    line[1] = askedOf(options);
    line[refusalAt] = `refused [${reasons.indexOf(reason) + 1}]`;
    return line;
  });
  const footnotes = reasons.map((reason, index) => `[${index + 1}] ${onOneLine(reason)}\n`);
  return textTable(columns, [...lines, ...joined(refusals)]) + footnotes.join("");
}

/** Rows that differ in nothing but the scheme become one: "int8, uint8". */
function joined(lines: readonly string[][]): string[][] {
  const found = new Map<string, { schemes: Set<string>; cells: string[] }>();
  for (const [scheme = "", ...cells] of lines) {
    const key = JSON.stringify(cells);
    const same = found.get(key) ?? { schemes: new Set(), cells };
    found.set(key, same);
    same.schemes.add(scheme);
  }
  return [...found.values()].map(({ schemes, cells }) => [[...schemes].join(", "), ...cells]);
}

const LABELS: readonly Column[] = [
  { title: "scheme", align: "left" },
  { title: "scales", align: "left" },
];

function right(title: string): Column {
  return { title, align: "right" };
}

/** "block 64, f32 scale and zero point". */
function scalesOf({ coding, format }: SizeRow): string {
  if (coding === null) return "–";
  const isPacked = format === "compressed-tensors";
  return `${grainOf(coding)}, ${scaleKindOf(coding, isPacked ? "scale in the weights' dtype" : "f32 scale")}`;
}

function grainOf(coding: Coding): string {
  if (coding.family === "rows") return "row";
  if ("granularity" in coding && coding.granularity !== "block") return coding.granularity;
  return `block ${coding.blockSize}`;
}

function scaleKindOf(coding: Coding, scale: string): string {
  switch (coding.family) {
    case "codebook":
      return coding.doubleQuant ? "double quantized" : "f32 absmax";
    case "rows":
      return "f32 absmax";
    case "affine": {
      const kind = coding.doubleQuant ? "double quantized" : scale;
      if (coding.symmetric) return `${kind}, symmetric`;
      return coding.doubleQuant ? kind : `${kind} and zero point`;
    }
    case "float": {
      const scheme = schemeOf(coding.quantType);
      const stored = scheme.family === "float" ? scheme.scale : "float32";
      return { e8m0: "e8m0 scale", e4m3: "e4m3 scale, f32 on top", float32: "f32 scale" }[stored];
    }
  }
}

/** What a refused row was to be. */
function askedOf({ granularity, blockSize, doubleQuant }: RefusedRow["options"]): string {
  const parts = [
    blockSize === undefined ? granularity : `block ${blockSize}`,
    doubleQuant === true ? "double quantized" : undefined,
  ];
  return parts.filter((part) => part !== undefined).join(", ");
}

/** What `quantize` would warn of; of which schemes, where not of all. */
function warningsOf(rows: readonly SizeRow[]): string[] {
  const warned = new Map<string, SizeRow[]>();
  for (const row of rows) {
    for (const text of row.warnings) warned.set(text, [...(warned.get(text) ?? []), row]);
  }
  return [...warned].map(([text, own]) => {
    const schemes = [...new Set(own.map(({ scheme }) => scheme))].join(", ");
    return own.length === rows.length ? `warning: ${text}` : `warning (${schemes}): ${text}`;
  });
}

function notesText(notes: readonly string[]): string {
  return notes.length === 0 ? "" : `\n${listText(notes)}`;
}

function listText(notes: readonly string[]): string {
  return notes.map((note) => `- ${onOneLine(note)}\n`).join("");
}

interface Unit {
  readonly name: string;
  text(bytes: number): string;
}

const UNITS = [
  ["GB", 1e9],
  ["MB", 1e6],
  ["kB", 1e3],
] as const;

/** The largest that leaves the largest row a whole part. */
function unitOf(rows: readonly SizeRow[]): Unit {
  const largest = Math.max(...rows.map(({ totalBytes }) => totalBytes));
  for (const [name, size] of UNITS) {
    if (largest >= size) return { name, text: (bytes) => (bytes / size).toFixed(3) };
  }
  return { name: "B", text: String };
}

function decimals(value: number | null, digits: number): string {
  return value === null ? "–" : value.toFixed(digits);
}
