/** What weights weigh in every coding: of a model, or of a mere number of them. */

export { type CountTable, type CountTableOptions, countTable } from "./count-table.ts";
export {
  type ModelTable,
  type ModelTableOptions,
  modelTable,
  modelTableSteps,
} from "./model-table.ts";
export { PARAMETER_COUNT_FORM, parameterCountOf, parseParameterCount } from "./parameter-count.ts";
export type { RefusedRow, SizeRow } from "./row.ts";
export type { Variant, VariantOptions } from "./variants.ts";
export type { WholeModel } from "./whole-model.ts";
