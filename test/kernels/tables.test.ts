import { describe, expect, it } from "vitest";
import { builtTable4, builtTable8 } from "../../src/kernels/wasm/tables/installed.ts";
import { dynamic8 } from "../../src/schemes/dynamic8.ts";
import { FP4 } from "../../src/schemes/fp4.ts";
import { NF4 } from "../../src/schemes/nf4.ts";
import { CODEBOOKS4, CODEBOOKS8, MODES } from "./cases.ts";

// Equal bytes would not tell that a codebook fell back to its slow kernel.
describe.each(MODES)("the kernel that a codebook gets in mode %s", (mode) => {
  it("is the sloped one for NF4", () => {
    expect(builtTable4(NF4, mode).kind).toBe("sloped");
  });

  it("is the mirrored one for FP4", () => {
    expect(builtTable4(FP4, mode).kind).toBe("mirrored");
  });

  it("has one threshold a cell for the dynamic map", () => {
    expect(builtTable8(dynamic8(), mode).kind).toBe("cells");
  });

  it("is a general one where no map fits", () => {
    const kinds4 = CODEBOOKS4.map((codebook) => builtTable4(codebook, mode).kind);
    const kinds8 = CODEBOOKS8.map((codebook) => builtTable8(codebook, mode).kind);
    expect(kinds4).toContain("exact");
    expect(kinds8).toContain("searched");
  });

  it("is built once", () => {
    expect(builtTable4(NF4, mode)).toBe(builtTable4(NF4, mode));
    expect(builtTable8(dynamic8(), mode)).toBe(builtTable8(dynamic8(), mode));
  });
});
