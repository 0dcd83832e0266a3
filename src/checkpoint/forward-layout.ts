/**
 * Where everything lies in a file that can only be written front to back.
 *
 * The header goes first, so every size must follow from the input's header. The one that does not,
 * a double quantized `quant_state` text, gets room for the longest one and is padded with spaces,
 * which loaders accept. PyTorch refuses misaligned tensors, so every tensor begins at a multiple
 * of its item size: a unit's bytes come first, its text is stretched to alignment, its F32 tensors
 * follow; small tensors of odd size wait for the end of the file.
 */

import {
  dtypeBits,
  type TensorEntry,
  WRITTEN_HEADER_BYTES_MAX,
} from "../formats/safetensors/index.ts";
import { PlanError, quoted } from "../foundation/errors.ts";
import type { ConversionPlan } from "./conversion-plan.ts";
import { tooLong } from "./exact-file.ts";
import type { OutputTensor, Role } from "./layouts/layout.ts";

/** Units end at multiples of this, the largest item size. */
const ALIGNMENT = 8;

/** Units and parts of odd size up to this many bytes are kept back for the end of the file. */
const HELD_BACK_BYTES = 1 << 16;

/** All that is kept back together may not pass this; later ones stay in place. */
const HELD_BACK_TOTAL_BYTES = 8 << 20;

/** What a header entry has beside the name, at least: stops a hopeless layout early. */
const SHORTEST_ENTRY_BYTES = 49;

/** How one unit is written. */
export interface ForwardUnit {
  /** Room for the text; 0 when the unit has none. */
  readonly quantStateBytes: number;
  /** The whole unit waits for the end of the file. */
  readonly heldBack: boolean;
  /** Parts of it that do. */
  readonly tailRoles: readonly Role[];
}

export interface ForwardLayout {
  /** All tensors in the order of their bytes. */
  readonly entries: readonly TensorEntry[];
  readonly units: readonly ForwardUnit[];
  /** Names of the tensors at the end of the file, in order. */
  readonly tail: readonly string[];
}

/** @throws PlanError naming the tensor that cannot be aligned */
export function layoutForward(plan: ConversionPlan): ForwardLayout {
  const entries: TensorEntry[] = [];
  const units: ForwardUnit[] = [];
  const tail: OutputTensor[] = [];
  let offset = 0;
  let heldBackBytes = 0;
  let headerBytes = 0;
  const put = (output: OutputTensor) => {
    headerBytes += output.name.length + SHORTEST_ENTRY_BYTES;
    if (headerBytes > WRITTEN_HEADER_BYTES_MAX) throw tooLong("the output");
    entries.push(entryAt(output, offset));
    offset += output.byteLength;
  };

  for (const unit of plan.units()) {
    const outputs = plan.outputs(unit, "longest");
    const unitBytes = outputs.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const room = Math.min(HELD_BACK_BYTES, HELD_BACK_TOTAL_BYTES - heldBackBytes);
    const hasText = outputs.some(({ role }) => role === "quantState");
    // A text is stretched until all of its unit is aligned: nothing of it need wait.
    const waiting = hasText ? [] : outputs.filter((output) => goesToTail(output, room));
    const tailRoles = waiting.map(({ role }) => role);
    const inPlace = outputs.filter(({ role }) => !tailRoles.includes(role));
    if (!hasText && unitBytes <= room && !inPlace.every(isAligned)) {
      heldBackBytes += unitBytes;
      tail.push(...outputs);
      units.push({ quantStateBytes: 0, heldBack: true, tailRoles: [] });
      continue;
    }
    const quantStateBytes = stretchedText(outputs, offset);
    const sized = quantStateBytes === 0 ? outputs : plan.outputs(unit, quantStateBytes);
    for (const output of sized) {
      if (!tailRoles.includes(output.role)) put(output);
      else {
        heldBackBytes += output.byteLength;
        tail.push(output);
      }
    }
    units.push({ quantStateBytes, heldBack: false, tailRoles });
  }
  // Largest items first: each then ends at a multiple of the next one's item size.
  tail.sort((a, b) => dtypeBits(b.dtype) - dtypeBits(a.dtype));
  for (const output of tail) put(output);
  return { entries, units, tail: tail.map(({ name }) => name) };
}

/** Small parts that would misalign what follows: one value a tensor, an odd number of scales. */
function goesToTail(output: OutputTensor, room: number): boolean {
  const { role, byteLength } = output;
  if (role === "copy" || role === "codes" || isAligned(output)) return false;
  return byteLength < ALIGNMENT || byteLength <= room;
}

function isAligned({ byteLength }: OutputTensor): boolean {
  return byteLength % ALIGNMENT === 0;
}

/**
 * The text's room when what precedes it ends where it does: the tensors behind it, all F32, then
 * end at a multiple of the largest item size.
 */
function stretchedText(outputs: readonly OutputTensor[], offset: number): number {
  const at = outputs.findIndex(({ role }) => role === "quantState");
  if (at < 0) return 0;
  const end = outputs.reduce((sum, { byteLength }) => sum + byteLength, offset);
  const missing = (ALIGNMENT - (end % ALIGNMENT)) % ALIGNMENT;
  return (outputs[at] as OutputTensor).byteLength + missing;
}

function entryAt({ name, dtype, shape, byteLength }: OutputTensor, begin: number): TensorEntry {
  const itemBytes = Math.max(1, dtypeBits(dtype) / 8);
  if (byteLength > 0 && begin % itemBytes !== 0) {
    throw new PlanError(
      `tensor ${quoted(name)}: in a forward-only output its ${dtype} items of ${itemBytes} bytes ` +
        `would begin at offset ${begin}, which PyTorch refuses; write to a file or a directory instead`,
    );
  }
  return { name, dtype, shape, begin, end: begin + byteLength };
}
