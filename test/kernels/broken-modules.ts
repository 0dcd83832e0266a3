/** Builds of the kernels with one instruction wrong. */

const SWIZZLE = [0xfd, 0x0e];
const ADD_BYTES = [0xfd, 0x6e];

/** Where a baseline build swizzles. */
export function swizzlesOf(module: Uint8Array): number[] {
  return Array.from(module.keys()).filter(
    (at) => module[at] === SWIZZLE[0] && module[at + 1] === SWIZZLE[1],
  );
}

/** A copy whose swizzle number `index` adds instead. */
export function withoutSwizzle(module: Uint8Array, index: number): Uint8Array<ArrayBuffer> {
  const broken = Uint8Array.from(module);
  broken.set(ADD_BYTES, swizzlesOf(module)[index] as number);
  return broken;
}
