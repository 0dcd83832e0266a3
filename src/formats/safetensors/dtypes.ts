/**
 * Every dtype of the safetensors format.
 *
 * Source: safetensors 0.8.0, `tensor.rs`, `enum Dtype` (its order is the writer's order) and
 * `Dtype::bitsize`.
 */

/** In the reference library's ascending order, which its writer sorts by, descending. */
export const DTYPES = [
  "BOOL",
  "F4",
  "F6_E2M3",
  "F6_E3M2",
  "U8",
  "I8",
  "F8_E5M2",
  "F8_E4M3",
  "F8_E8M0",
  "F8_E4M3FNUZ",
  "F8_E5M2FNUZ",
  "I16",
  "U16",
  "F16",
  "BF16",
  "I32",
  "U32",
  "F32",
  "C64",
  "F64",
  "I64",
  "U64",
] as const;

export type Dtype = (typeof DTYPES)[number];

const BITS: Readonly<Record<Dtype, 4 | 6 | 8 | 16 | 32 | 64>> = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
};

const RANKS: ReadonlyMap<string, number> = new Map(DTYPES.map((dtype, rank) => [dtype, rank]));

/** Bits of one element. F4 and the F6 kinds are packed without gaps. */
export function dtypeBits(dtype: Dtype): 4 | 6 | 8 | 16 | 32 | 64 {
  return BITS[dtype];
}

/** Position in `DTYPES`; −1 when `name` is no dtype. */
export function dtypeRank(name: string): number {
  return RANKS.get(name) ?? -1;
}

export function isDtype(name: string): name is Dtype {
  return RANKS.has(name);
}
