/** config.json of a checkpoint whose weights are plain floats again. */

import {
  dumpPython,
  jsonObject,
  jsonString,
  memberOf,
  numberOf,
  withMember,
  withoutMember,
} from "../../formats/json/index.ts";
import type { FloatDtype } from "../../foundation/dtype.ts";
import type { ModelConfig } from "./model-config.ts";

/** The given one without `quantization_config`, and with the dtype that was asked for. */
export function plainConfigText(
  config: ModelConfig | undefined,
  dtype: FloatDtype | undefined,
): string {
  let json = withoutMember(config?.json ?? jsonObject([]), "quantization_config");
  if (dtype !== undefined) {
    // transformers 5 calls it dtype, those before torch_dtype.
    const key = memberOf(json, "torch_dtype") === undefined ? "dtype" : "torch_dtype";
    json = withMember(json, key, jsonString(dtype));
  }
  return `${dumpPython(json, { indent: 2, sortKeys: true })}\n`;
}

/** `num_bits` of compressed-tensors, where all of its groups have the same. */
export function packedBits(config: ModelConfig | undefined): number | undefined {
  const groups = memberOf(memberOf(config?.json, "quantization_config"), "config_groups");
  if (groups?.kind !== "object") return undefined;
  const bits = [...groups.members.values()].map((group) =>
    numberOf(memberOf(memberOf(group, "weights"), "num_bits")),
  );
  return bits.every((each) => each === bits[0]) ? bits[0] : undefined;
}
