// A line chart as SVG, both axes logarithmic; readable on light and dark pages.

const SIZE = { width: 760, height: 420, left: 56, right: 190, top: 40, bottom: 48 };
const COLORS = ["#8a8f98", "#2f81f7", "#e0823d", "#3fa45b", "#a371f7", "#d6409f", "#b59f00"];

/**
 * @param {object} chart
 * @param {string} chart.title
 * @param {string} chart.xLabel
 * @param {string} chart.yLabel
 * @param {{ at: number, text: string }[]} chart.xTicks
 * @param {number[]} chart.yTicks  ascending; the first and last are the ends of the axis
 * @param {{ name: string, points: [x: number, y: number][], dashed?: boolean }[]} chart.lines
 */
export function lineChart({ title, xLabel, yLabel, xTicks, yTicks, lines }) {
  const { width, height, left, right, top, bottom } = SIZE;
  const [plotRight, plotBottom] = [width - right, height - bottom];
  const scale = (from, to, start, end) => (value) =>
    start + ((Math.log(value) - Math.log(from)) / (Math.log(to) - Math.log(from))) * (end - start);
  const x = scale(xTicks[0].at, xTicks.at(-1).at, left, plotRight);
  const y = scale(yTicks[0], yTicks.at(-1), plotBottom, top);
  const round = (n) => n.toFixed(1);

  const parts = [text(left, 20, title, 'font-size="15" font-weight="600"')];
  for (const { at, text: label } of xTicks) {
    parts.push(line(x(at), top, x(at), plotBottom));
    parts.push(text(x(at), plotBottom + 18, label, 'text-anchor="middle"'));
  }
  for (const at of yTicks) {
    parts.push(line(left, y(at), plotRight, y(at)));
    parts.push(text(left - 8, y(at) + 4, String(at), 'text-anchor="end"'));
  }
  parts.push(text((left + plotRight) / 2, height - 10, xLabel, 'text-anchor="middle"'));
  parts.push(text(left, top - 6, yLabel, ""));
  const labels = spaced(lines.map(({ points }) => y(points.at(-1)[1])));
  for (const [i, { name, points, dashed }] of lines.entries()) {
    const color = COLORS[i % COLORS.length];
    const path = points.map(([a, b]) => `${round(x(a))},${round(y(b))}`).join(" ");
    const dashes = dashed ? ' stroke-dasharray="5 4"' : "";
    parts.push(
      `<polyline points="${path}" fill="none" stroke="${color}" stroke-width="2"${dashes}/>`,
    );
    parts.push(text(plotRight + 10, labels[i] + 4, name, `style="fill:${color}"`));
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" font-family="system-ui, sans-serif" font-size="12">
<title>${escaped(title)}</title>
<style>text { fill: #57606a } .grid { stroke: #8a8f9833 }
@media (prefers-color-scheme: dark) { text { fill: #9aa4af } }</style>
${parts.join("\n")}
</svg>
`;

  function line(x1, y1, x2, y2) {
    return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" class="grid"/>`;
  }
  function text(at, down, content, attributes) {
    return `<text x="${round(at)}" y="${round(down)}" ${attributes}>${escaped(content)}</text>`;
  }
}

/** The places of labels, moved down until none covers another. */
function spaced(places) {
  const order = places.map((place, i) => [place, i]).sort((a, b) => a[0] - b[0]);
  const result = [...places];
  let last = -Infinity;
  for (const [place, i] of order) {
    last = Math.max(place, last + 15);
    result[i] = last;
  }
  return result;
}

function escaped(content) {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
