/** The relaxed build travels as a patch of the baseline. */

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
// @ts-expect-error: a script has no types
import { patchBetween } from "../../scripts/byte-patch.mjs";
import { BASELINE, RELAXED_PATCH } from "../../src/kernels/wasm/binary.generated.ts";
import { patched } from "../../src/kernels/wasm/patched.ts";

const built = (name: string) => readFileSync(new URL(`../../build/${name}`, import.meta.url));

describe("patched", () => {
  it("makes the relaxed build, to the byte, of the baseline", () => {
    const baseline = Buffer.from(BASELINE, "hex");
    const patch = Buffer.from(RELAXED_PATCH, "hex");
    expect(baseline.equals(built("kernels.wasm"))).toBe(true);
    expect(Buffer.from(patched(baseline, patch)).equals(built("kernels-relaxed.wasm"))).toBe(true);
    expect(patch.length).toBeLessThan(1000);
  });

  it("gives back any bytes", () => {
    // Few different bytes, so that long and short matches occur.
    const bytes = fc.uint8Array({ max: 2, maxLength: 300 });
    fc.assert(
      fc.property(bytes, bytes, bytes, bytes, (from, to, head, tail) => {
        const both = [
          [from, to],
          [Uint8Array.of(...head, ...from, ...tail), Uint8Array.of(...head, ...to, ...tail)],
        ] as const;
        for (const [one, other] of both) {
          const patch = Uint8Array.from(patchBetween(one, other));
          expect(Array.from(patched(one, patch))).toEqual(Array.from(other));
        }
      }),
      { numRuns: 500 },
    );
  });
});
