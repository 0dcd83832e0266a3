import { describe, expect, it } from "vitest";
import { campaign } from "../../scripts/kill-campaign.mjs";

describe("runs that are killed at random moments", () => {
  it("are resumed to the bytes of one run", async () => {
    const counts = await campaign({ kills: 6, megabytes: 40, seed: 5 });
    const { SIGKILL, SIGINT } = counts;
    expect(SIGKILL + SIGINT + counts["full disk"] + counts["file limit"]).toBeGreaterThanOrEqual(6);
    expect(counts.jobs).toBeGreaterThan(0);
    expect(counts.resumedTensors).toBeGreaterThan(0);
  }, 120_000);
});
