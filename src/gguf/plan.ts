/** What becomes of each tensor of a GGUF file, and where it lies in the output. */

import {
  type GgufLayout,
  type GgufMetadata,
  type GgufTensor,
  ggufElements,
  ggufEntry,
  ggufType,
  layoutGguf,
} from "../formats/gguf/index.ts";
import { ArgumentError, PlanError, quoted, UnsupportedError } from "../foundation/errors.ts";
import { BLOCK_LAYOUTS, BLOCK_TYPES, type BlockType } from "../schemes/ggml/block-types.ts";
import {
  FILE_TYPES,
  GGUF_FILE_TYPES,
  type GgufFileType,
  isPlainType,
  NEEDS_IMPORTANCE,
} from "./file-types.ts";
import { chooseTypes, compareLlamaOrder, fittingType, type TypeChoice } from "./mixture.ts";
import { modelFactsOf } from "./model-facts.ts";
import { type GgufChooser, type GgufSelection, ggufChooser } from "./rules.ts";

/** A tensor of a model that may have several files. */
export interface ModelTensor extends GgufTensor {
  /** Index of its file. */
  readonly file: number;
}

export interface GgufPlanOptions extends GgufSelection {
  /** What the file becomes, by llama-quantize's names in lower case: "q4_k_m". */
  readonly fileType: GgufFileType;
  /** One type for all weights, without llama-quantize's rules. @defaultValue false */
  readonly pure?: boolean | undefined;
  /** Expand what is quantized and quantize it again, which loses twice. @defaultValue false */
  readonly allowRequantize?: boolean | undefined;
  /**
   * The order of the output: llama-quantize's, or that of the source, for those that cannot seek.
   * @defaultValue "llama"
   */
  readonly order?: "llama" | "source" | undefined;
}

/** One tensor's way. */
export interface GgufStep {
  readonly source: ModelTensor;
  readonly target: GgufTensor;
  /** The source's and the target's type, unless it is copied. */
  readonly recode: { readonly from: BlockType; readonly to: BlockType } | undefined;
}

export interface GgufPlan {
  /** In the order of the output. */
  readonly steps: readonly GgufStep[];
  readonly layout: GgufLayout;
  readonly warnings: readonly string[];
}

/**
 * @param always the type of a tensor, whatever the mixture says
 * @throws ArgumentError for options that make no sense, PlanError for a tensor that cannot become
 * what is asked for
 */
export function planGguf(
  metadata: GgufMetadata,
  tensors: readonly ModelTensor[],
  options: GgufPlanOptions,
  always: (tensor: ModelTensor) => BlockType | undefined = () => undefined,
): GgufPlan {
  const fileType = checkFileType(options.fileType);
  const chooser = ggufChooser(options);
  const sorted = [...tensors].sort(compareLlamaOrder);
  const model = modelFactsOf(
    metadata,
    tensors.map(({ name }) => name),
  );
  const types = chooseTypes(sorted, model, fileType, { pure: options.pure });
  const ordered = options.order === "source" ? tensors : sorted;
  const warnings: string[] = [];
  const chosen = ordered.map((source) => {
    const forced = always(source);
    const choice = forced === undefined ? (types.get(source.name) as TypeChoice) : { type: forced };
    const type = targetType(source, choice, chooser, options, warnings);
    return { source, type };
  });
  for (const glob of chooser.unmatched()) warnings.push(`${glob} matches no tensor`);
  const layout = layoutGguf(
    withFileType(metadata, fileType),
    chosen.map(({ source: { name, dimensions }, type }) => ({ name, dimensions, type })),
  );
  const steps = chosen.map(({ source, type }, i) => ({
    source,
    target: layout.tensors[i] as GgufTensor,
    recode:
      type.id === source.type.id
        ? undefined
        : { from: source.type.name as BlockType, to: type.name as BlockType },
  }));
  return { steps, layout, warnings };
}

/** Both keys end up last, in this order, as llama-quantize leaves them. */
function withFileType(metadata: GgufMetadata, fileType: GgufFileType): GgufMetadata {
  return metadata.with([
    ggufEntry("general.quantization_version", "uint32", 2),
    ggufEntry("general.file_type", "uint32", FILE_TYPES[fileType].fileType),
  ]);
}

function targetType(
  { name, dimensions, type: source }: ModelTensor,
  choice: TypeChoice,
  chooser: GgufChooser,
  options: GgufPlanOptions,
  warnings: string[],
): GgufTensor["type"] {
  const rule = chooser.choose(name);
  const wanted = rule === undefined ? choice.type : rule.action;
  if (wanted === undefined || wanted === "copy" || wanted === source.name) return source;
  if (ggufElements(dimensions) === 0) return source;
  if (!BLOCK_TYPES.includes(source.name as BlockType)) {
    const problem = `its type is ${source.name}, whose blocks are only copied`;
    throw new PlanError(`tensor ${quoted(name)}: ${problem}; exclude it, or start from floats`);
  }
  if (!isPlainType(source.name) && options.allowRequantize !== true) {
    throw new PlanError(
      `tensor ${quoted(name)}: it is ${source.name} already, and would become ${wanted}; start from an ` +
        "F32, F16 or BF16 file, or allow what loses twice (allowRequantize, --allow-requantize)",
    );
  }
  if (rule !== undefined && fittingType(wanted, dimensions[0] ?? 1) !== wanted) {
    const { blockValues } = BLOCK_LAYOUTS[wanted];
    throw new PlanError(
      `tensor ${quoted(name)}: ${rule.who} asks for ${wanted}, whose blocks have ${blockValues} values; ` +
        `its rows have ${dimensions[0] ?? 1}, which is no multiple`,
    );
  }
  if (rule === undefined && choice.wanted !== undefined) {
    const why = `its rows of ${dimensions[0] ?? 1} values cannot be ${choice.wanted}`;
    warnings.push(`tensor ${quoted(name)} becomes ${wanted}: ${why}`);
  }
  return ggufType(wanted);
}

/** @throws ArgumentError; UnsupportedError for types that need an importance matrix */
export function checkFileType(fileType: string | undefined): GgufFileType {
  const found = GGUF_FILE_TYPES.find((name) => name === fileType);
  if (found !== undefined) return found;
  if (NEEDS_IMPORTANCE.includes(fileType ?? "")) {
    throw new UnsupportedError(
      `${fileType} needs an importance matrix, which is not supported yet; choose q2_k or q3_k_s`,
    );
  }
  throw new ArgumentError("quantType", `one of ${GGUF_FILE_TYPES.join(", ")} for GGUF`, fileType);
}

/**
 * A plan that expands every quantized tensor, as llama-quantize would: weights that are plain floats
 * become the same type, what it never touches (norms) stays.
 */
export function planDequantized(
  metadata: GgufMetadata,
  tensors: readonly ModelTensor[],
  options: { readonly fileType: "f32" | "f16" | "bf16"; readonly order?: GgufPlanOptions["order"] },
): GgufPlan {
  const { type } = FILE_TYPES[options.fileType];
  const isInteger = (name: string) => /^I\d+$/.test(name);
  return planGguf(metadata, tensors, { ...options, allowRequantize: true }, ({ type: source }) => {
    if (isInteger(source.name)) return source.name as BlockType;
    return isPlainType(source.name) || source.name === "F64" ? undefined : type;
  });
}
