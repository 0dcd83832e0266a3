/** config.json of a checkpoint whose weights are plain floats again. */

import {
  booleanOf,
  dumpPython,
  jsonString,
  memberOf,
  numberOf,
  stringOf,
  withMember,
  withoutMember,
} from "../../formats/json/index.ts";
import type { FloatDtype } from "../../foundation/dtype.ts";
import type { PackedScheme } from "../stored/compressed-tensors-weight.ts";
import type { ModelConfig } from "./model-config.ts";

/** The given one without `quantization_config`, and with the dtype that was asked for. */
export function plainConfigText(config: ModelConfig, dtype: FloatDtype | undefined): string {
  let json = withoutMember(config.json, "quantization_config");
  if (dtype !== undefined) {
    // transformers 5 calls it dtype, those before torch_dtype.
    const there = ["dtype", "torch_dtype"].filter((key) => memberOf(json, key) !== undefined);
    for (const key of there.length === 0 ? ["dtype"] : there) {
      json = withMember(json, key, jsonString(dtype));
    }
  }
  return `${dumpPython(json, { indent: 2, sortKeys: true })}\n`;
}

/**
 * What compressed-tensors says of a module's weights: in the group that names it, else in the only
 * one for all Linear modules. Groups by pattern are not looked into.
 */
export function packedScheme(config: ModelConfig | undefined): (module: string) => PackedScheme {
  const section = memberOf(memberOf(config?.json, "quantization_config"), "config_groups");
  const groups = section?.kind === "object" ? [...section.members.values()] : [];
  const byName = new Map<string, PackedScheme>();
  const general: PackedScheme[] = [];
  for (const group of groups) {
    const weights = memberOf(group, "weights");
    const scheme = {
      bits: numberOf(memberOf(weights, "num_bits")),
      symmetric: booleanOf(memberOf(weights, "symmetric")),
    };
    const targets = memberOf(group, "targets");
    const names = targets?.kind === "array" ? targets.items.map(stringOf) : [];
    for (const name of names) if (name !== undefined) byName.set(name, scheme);
    if (groups.length === 1 || names.includes("Linear")) general.push(scheme);
    if (groups.length > 1 && names.some((name) => name?.startsWith("re:"))) general.push({});
  }
  const [only, ...others] = general;
  const rest = only !== undefined && others.length === 0 ? only : {};
  return (module) => byName.get(module) ?? rest;
}
