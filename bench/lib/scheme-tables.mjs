// The tables of the scheme benchmark, as markdown.

/** @param {string[]} head @param {string[][]} rows the first column is text, the others figures */
export function markdownTable(head, rows) {
  const rule = head.map((_, column) => (column === 0 ? "---" : "--:"));
  return [head, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Three significant digits, never an exponent: 0.613 %, 9.14 %, 12.0 %, 100 %. */
export function percent(ratio) {
  const value = Number((100 * ratio).toPrecision(3));
  if (value === 0) return "0 %";
  const digits = 2 - Math.floor(Math.log10(Math.abs(value)));
  return `${value.toFixed(Math.min(Math.max(digits, 0), 5))} %`;
}

/** @param {{ name: string, what: string, sums: import("./scheme-error.mjs").WeightSums }[]} sets */
export function weightsTable(sets) {
  return markdownTable(
    ["weights", "tensors", "elements", "σ", "largest / σ", "kurtosis", "what"],
    sets.map(({ name, what, sums }) => [
      name,
      `${sums.tensors}`,
      sums.elements.toLocaleString("en-US"),
      sums.sigma.toPrecision(3),
      sums.peak.toFixed(1),
      sums.kurtosis.toFixed(2),
      what,
    ]),
  );
}

/** Relative RMS error of every scheme on every set of weights; bits of the first set. */
export function overviewTable(schemes, sets) {
  return markdownTable(
    ["scheme", "bits per weight", ...sets.map(({ name }) => name)],
    schemes.map(({ name }) => [
      name,
      sets[0].errors.get(name).bitsPerWeight.toFixed(3),
      ...sets.map(({ errors }) => percent(errors.get(name).relativeRms)),
    ]),
  );
}

/** Everything about one set of weights. */
export function detailTable(schemes, { errors }) {
  return markdownTable(
    ["scheme", "bits per weight", "relative RMS error", "SQNR dB", "largest error / σ"],
    schemes.map(({ name }) => {
      const sums = errors.get(name);
      return [
        name,
        sums.bitsPerWeight.toFixed(3),
        percent(sums.relativeRms),
        sums.sqnrDb.toFixed(2),
        sums.largestOverSigma.toFixed(3),
      ];
    }),
  );
}

/** @param {{ name: string, clean: number, regions: { errors: number[] }, zeros: number }[]} rows */
export function damageTable(rows) {
  return markdownTable(
    [
      "scheme",
      "without the outlier",
      "same block (63)",
      "same row (960)",
      "same 256 blocks (15,360)",
      "everything else (1,032,192)",
      "became 0",
    ],
    rows.map(({ name, clean, regions, zeros }) => [
      name,
      percent(clean),
      ...regions.map(percent),
      percent(zeros),
    ]),
  );
}

/** What double quantization saves and costs, for each scheme that is there with and without. */
export function doubleQuantTable(schemes, sets) {
  const rows = [];
  for (const { name } of schemes) {
    const double = `${name} +dq`;
    if (!sets[0].errors.has(double)) continue;
    const [before, after] = [name, double].map((each) => sets[0].errors.get(each).bitsPerWeight);
    rows.push([
      name,
      `${before.toFixed(3)} → ${after.toFixed(3)}`,
      percent(1 - after / before),
      ...sets.map(({ errors }) => {
        const [plain, nested] = [name, double].map((each) => errors.get(each).relativeRms);
        return `${percent(plain)} → ${percent(nested)}`;
      }),
    ]);
  }
  return markdownTable(
    ["scheme", "bits per weight", "saved", ...sets.map(({ name }) => name)],
    rows,
  );
}
