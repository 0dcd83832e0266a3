import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { escapeHtml, html, scriptJson } from "../../src/cli/report/html.ts";
import { distanceTo, isInside, overlap } from "../../src/cli/report/page/boxes.ts";
import { type LabelledPoint, placeLabels } from "../../src/cli/report/page/point-labels.ts";
import { logTicks, padded, tickText } from "../../src/cli/report/page/scales.ts";
import { tensorKinds } from "../../src/cli/report/tensor-kinds.ts";

describe("html", () => {
  it("escapes text, not what is HTML already", () => {
    const row = html`<td title="${`"'<&>`}">${"<b>"}${1.5}</td>`;
    expect(row.text).toBe('<td title="&quot;&#39;&lt;&amp;&gt;">&lt;b&gt;1.5</td>');
    expect(html`<tr>${[row, html`<td>`]}</tr>`.text).toBe(`<tr>${row.text}<td></tr>`);
    expect(escapeHtml("a\nb")).toBe("a\\u000ab");
  });

  it("has JSON that cannot end its element and reads back", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const { text } = scriptJson({ value, tag: "</script><!--" });
        expect(text).not.toContain("<");
        expect(JSON.parse(text)).toEqual(
          JSON.parse(JSON.stringify({ value, tag: "</script><!--" })),
        );
      }),
    );
  });
});

describe("tensorKinds", () => {
  const kindsOf = (names: readonly string[]) => {
    const { kinds, kindOf, layerOf } = tensorKinds(names, () => true);
    return names.map((_, i) => [kinds[kindOf[i] as number], layerOf[i]]);
  };

  it("reads layer and kind off names of many architectures", () => {
    expect(
      kindsOf([
        "model.layers.3.self_attn.q_proj.weight",
        "model.layers.31.mlp.experts.5.up_proj.weight",
        "h.0.attn.c_attn.weight",
        "model.embed_tokens.weight",
        "lm_head.weight",
        "weight",
        "encoder.7",
      ]),
    ).toEqual([
      ["self_attn.q_proj", 3],
      ["mlp.experts.*.up_proj", 31],
      ["attn.c_attn", 0],
      ["model.embed_tokens", null],
      ["lm_head", null],
      ["weight", null],
      ["encoder", 7],
    ]);
  });

  it("keeps the seven most frequent kinds apart; the others are other", () => {
    const names = [..."abcdefghi"].flatMap((kind, at) =>
      Array.from({ length: 9 - at }, (_, layer) => `x.${layer}.${kind}`),
    );
    const { kinds, kindOf } = tensorKinds(names, () => true);
    expect(kinds).toEqual(["a", "b", "c", "d", "e", "f", "g", "other"]);
    expect(kindOf.slice(-4)).toEqual([6, 7, 7, 7].slice(0, 4));
  });

  it("gives no kind to what is not drawn", () => {
    const { kinds, kindOf } = tensorKinds(["a.0.x", "a.0.y", "a.1.y"], (position) => position > 0);
    expect(kinds).toEqual(["y"]);
    expect(kindOf).toEqual([-1, 0, 0]);
  });
});

describe("placeLabels", () => {
  const area = { left: 0, top: 0, width: 600, height: 400 };
  const point = fc.record({
    x: fc.integer({ min: 0, max: 600 }),
    y: fc.integer({ min: 0, max: 400 }),
    width: fc.integer({ min: 5, max: 150 }),
    height: fc.constant(15),
  });

  it("puts the label of a point by itself at its right, and at its left at the edge", () => {
    const [label] = placeLabels([{ x: 100, y: 100, width: 50, height: 15 }], area);
    expect(label).toEqual({
      box: { left: 110.5, top: 92.5, width: 50, height: 15 },
      lineTo: undefined,
    });
    const [last] = placeLabels([{ x: 590, y: 100, width: 50, height: 15 }], area);
    expect(last?.box.left).toBe(529.5);
  });

  it("covers no other label and no point, inside the area, nearest to its own point", () => {
    fc.assert(
      fc.property(fc.array(point, { maxLength: 25 }), (points: LabelledPoint[]) => {
        const labels = placeLabels(points, area);
        for (const [i, label] of labels.entries()) {
          if (label === undefined) continue;
          const { box, lineTo } = label;
          expect(isInside(box, area)).toBe(true);
          for (const [j, other] of points.entries()) {
            if (i === j) continue;
            const distance = distanceTo(box, other);
            expect(distance).toBeGreaterThan(0);
            const own = distanceTo(box, points[i] as LabelledPoint);
            if (lineTo === undefined) expect(distance).toBeGreaterThan(own);
            const box2 = labels[j]?.box;
            if (box2 !== undefined) expect(overlap(box, box2)).toBe(false);
          }
        }
      }),
    );
  });

  it("labels points that stand together, with lines", () => {
    const points = [0, 9, 18, 27].map((dx) => ({ x: 300 + dx, y: 200, width: 80, height: 15 }));
    const labels = placeLabels(points, area);
    expect(labels.every((label) => label !== undefined)).toBe(true);
    expect(labels.some((label) => label?.lineTo !== undefined)).toBe(true);
  });

  it("labels a distinct point among others", () => {
    const crowd = Array.from({ length: 6 }, (_, i) => ({
      x: 300 + i,
      y: 200 + 12 * i,
      width: 80,
      height: 15,
    }));
    const own = { x: 302, y: 206, width: 60, height: 15, isDistinct: true };
    expect(placeLabels([own, ...crowd], area)[0]).toBeDefined();
  });
});

describe("scales", () => {
  it("have ticks at 1, 2, 5 over decades, and even ones in a short range", () => {
    expect(logTicks(0.5, 12)).toEqual([0.5, 1, 2, 5, 10]);
    expect(logTicks(0.0009, 11)).toEqual([0.001, 0.01, 0.1, 1, 10]);
    expect(logTicks(2, 8)).toEqual([2, 3, 4, 5, 7]);
    expect(logTicks(9.4, 14).map(tickText)).toEqual(["10", "11", "12", "13", "14"]);
  });

  it("have between 2 and 12 ticks, ascending and inside", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1e-6, max: 100, noNaN: true }),
        fc.double({ min: 1.05, max: 1e6, noNaN: true }),
        (lowest, ratio) => {
          const ticks = logTicks(lowest, lowest * ratio);
          expect(ticks.length).toBeGreaterThanOrEqual(2);
          expect(ticks.length).toBeLessThanOrEqual(14);
          for (const [i, tick] of ticks.entries()) {
            expect(tick).toBeGreaterThanOrEqual(lowest * (1 - 1e-12));
            expect(tick).toBeLessThanOrEqual(lowest * ratio * (1 + 1e-12));
            if (i > 0) expect(tick).toBeGreaterThan(ticks[i - 1] as number);
          }
        },
      ),
    );
  });

  it("leave room around the points, and begin at 0 when it is near", () => {
    expect(padded(1, 10, false)).toEqual([0, 10.72]);
    expect(padded(10, 12, false)).toEqual([9.84, 12.16]);
    expect(padded(0, 0, false)).toEqual([0, 0.08]);
    const [lowest, highest] = padded(1, 100, true);
    expect(lowest).toBeLessThan(1);
    expect(highest).toBeGreaterThan(100);
    expect(padded(5, 5, true)).toEqual([2.5, 10]);
  });
});
