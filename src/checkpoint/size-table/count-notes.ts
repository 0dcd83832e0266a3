/** What a table for a count takes for granted, and what its figures tell. */

import { QUANT_TYPES, schemeOf } from "../../schemes/registry.ts";
import { NESTED_BLOCK_SIZE } from "../../tensor/nested-absmax.ts";
import { NESTED_SCALE_GROUP } from "../../tensor/nested-scale.ts";
import { type Coding, codingOf } from "../../tensor/options.ts";
import { LAYOUTS } from "../layouts/registry.ts";
import type { SizeRow } from "./row.ts";

/** 4-bit quant types whose scale is an absmax. */
const CODEBOOKS4 = QUANT_TYPES.filter((quantType) => {
  const { family, bits } = schemeOf(quantType);
  return family === "codebook" && bits === 4;
});

export function countNotes(parameters: number, rows: readonly SizeRow[]): string[] {
  return [...lessonNotes(parameters, rows), ...codebookNotes(rows)];
}

export function countAssumptions(
  columns: number,
  rows: readonly SizeRow[],
  hasWholeModel: boolean,
): string[] {
  const has = (is: (coding: Coding) => boolean) =>
    rows.some(({ coding }) => coding !== null && is(coding));
  const isBitsandbytes4 = ({ quantType }: Coding) => quantType === "nf4" || quantType === "fp4";
  const grainIs = (granularity: string) => (coding: Coding) =>
    "granularity" in coding && coding.granularity === granularity;
  const assumptions = [
    `all weights are quantized; a model keeps embeddings, output head and norms in float${
      hasWholeModel ? ", as the whole model below" : ", which a count does not tell"
    }: give its directory for exact sizes`,
    "all weights are one tensor, and blocks are cut from one long row of it; real rows that no whole " +
      "number of blocks fills end in a shorter block of their own",
    "nothing is counted but weights and what is stored beside them: no header, no config.json, no " +
      "activations, no key-value cache",
    "GB, MB and kB are 10^9, 10^6 and 10^3 bytes; ratio: to bfloat16, 16 bits a weight",
  ];
  if (has(({ family }) => family === "affine")) {
    assumptions.push(
      "int4 … uint8: scales and zero points are float32, 4 bytes each; double quantized 1 byte each, " +
        `and a second level of 8 bytes for every ${NESTED_SCALE_GROUP} blocks`,
    );
  }
  if (has((coding) => coding.family === "codebook" && coding.quantType !== "dynamic8")) {
    assumptions.push(
      `${CODEBOOKS4.join(", ")}: absmax is float32, 4 bytes; double quantized 1 byte, and a second ` +
        `level of 4 bytes for every ${NESTED_BLOCK_SIZE} blocks and 4 more for the tensor`,
    );
  }
  if (has(isBitsandbytes4)) {
    const { plain, double } = bitsandbytesExtra(columns);
    assumptions.push(
      "nf4, fp4: quantwise's own form; bitsandbytes' form adds tables and a text to each matrix, " +
        `about ${plain} bytes, ${double} double quantized`,
    );
  }
  if (has(grainIs("channel")) || has(({ family }) => family === "rows")) {
    assumptions.push(
      `channel, and llm-int8's row: a scale for each ${columns} weights (--columns says otherwise)`,
    );
  }
  if (has(grainIs("tensor"))) {
    assumptions.push("tensor: one scale for all weights; a model has one a matrix, some hundreds");
  }
  return assumptions;
}

/** What bitsandbytes stores with a square matrix that our own form does not. */
function bitsandbytesExtra(columns: number): { double: number; plain: number } {
  const extra = (doubleQuant: boolean) => {
    const coding = codingOf({ quantType: "nf4", doubleQuant });
    const weight = {
      name: "weight",
      dtype: "bfloat16",
      shape: [columns, columns],
      coding,
    } as const;
    const bytes = (layout: "bitsandbytes" | "native") =>
      LAYOUTS[layout]
        .outputs(weight, "typical")
        .reduce((sum, { byteLength }) => sum + byteLength, 0);
    return bytes("bitsandbytes") - bytes("native");
  };
  return { double: extra(true), plain: extra(false) };
}

/** "4 + 32/64 = 4.500", per block size. */
function codebookNotes(rows: readonly SizeRow[]): string[] {
  const sizes = new Set<number>();
  for (const { coding } of rows) {
    if (coding?.family === "codebook" && coding.quantType !== "dynamic8") {
      sizes.add(coding.blockSize);
    }
  }
  return [...sizes].map((size) => {
    const plain = 4 + 32 / size;
    const double = 4 + 8 / size + 32 / (size * NESTED_BLOCK_SIZE);
    return (
      `${CODEBOOKS4.slice(0, -1).join(", ")} and ${CODEBOOKS4.at(-1)} in blocks of ${size}: 4 + 32/${size} = ${plain.toFixed(3)} bits a weight; ` +
      `double quantized 4 + 8/${size} + 32/(${size}·${NESTED_BLOCK_SIZE}) = ${double.toFixed(3)}`
    );
  });
}

/** The round of figures that lessons on quantization give: 7·10^9 weights in blocks of 64. */
const LESSON = { parameters: 7e9, blockSize: 64, roundedBlocks: 109e6 };

function lessonNotes(parameters: number, rows: readonly SizeRow[]): string[] {
  if (parameters !== LESSON.parameters) return [];
  const row = (double: boolean) =>
    rows.find(
      ({ coding }) =>
        coding?.family === "affine" &&
        /4$/.test(coding.quantType) &&
        coding.blockSize === LESSON.blockSize &&
        coding.doubleQuant === double &&
        !coding.symmetric,
    );
  const [plain, double] = [row(false), row(true)];
  if (plain === undefined || double === undefined) return [];
  const { roundedBlocks, blockSize } = LESSON;
  const blocks = parameters / blockSize;
  const level2 = double.metadataBytes - 2 * blocks;
  const gb = (bytes: number) => `${(bytes / 1e9).toFixed(3)} GB`;
  const mb = (bytes: number, digits: number) => `${(bytes / 1e6).toFixed(digits)} MB`;
  return [
    `the lesson's figures: bf16 ${gb(2 * parameters)}; 4-bit with f32 scale and zero point ` +
      `${gb(plain.metadataBytes)} of metadata, ${gb(plain.totalBytes)} in all; double quantized ` +
      `${gb(double.metadataBytes)}, ${gb(double.totalBytes)}`,
    `the lesson itself says ${mb(8 * roundedBlocks, 0)} and ${mb(2 * roundedBlocks, 0)} of metadata, ` +
      `because it rounds to ${roundedBlocks / 1e6} M blocks of ${blockSize}, of 8 and 2 bytes; there ` +
      `are ${blocks.toLocaleString("en-US")} of them, which makes ${mb(8 * blocks, 0)} and ${mb(2 * blocks, 2)}, and the ` +
      `second level that decodes the 8-bit scales, which it leaves out, adds ${mb(level2, 2)}`,
  ];
}
