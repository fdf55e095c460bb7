// SPDX-License-Identifier: GPL-3.0-or-later
// The history of checks as stacked bars. The picture has a text for those who do not see it; the table beside it has
// all figures. Attributes only: the policy forbids inline styles.

import { h, newId, svg } from "./dom.js";
import { count, timeBrief } from "./format.js";
import { text } from "./text.js";

const words = text.history;
const HEIGHT = 220;
const LEFT = 52;
const BOTTOM = 26;
const TOP = 10;
const WIDE = 760;
const NARROW = 360; // so that letters keep their size on a phone
const kinds = ["orphaned", "missing", "stale", "misfiled"];

const sum = (scan) => kinds.reduce((total, kind) => total + scan[`${kind}Files`], 0);

/** The next figure that reads well on an axis: 1, 2 or 5 times a power of ten. */
function roundUp(n) {
  const power = 10 ** Math.floor(Math.log10(Math.max(n, 1)));
  return [1, 2, 5, 10].map((step) => step * power).find((value) => value >= n);
}

function axis(most, width) {
  const ticks = most < 2 ? [0, most] : [0, most / 2, most];
  return ticks.map((value) => {
    const y = HEIGHT - BOTTOM - (value / most) * (HEIGHT - BOTTOM - TOP);
    return svg(
      "g",
      null,
      svg("line", { x1: LEFT, x2: width, y1: y, y2: y, class: "chart-grid" }),
      svg("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end", class: "chart-label" }, count(value)),
    );
  });
}

function tooltip(scan) {
  const found = kinds
    .filter((kind) => scan[`${kind}Files`])
    .map((kind) => words.kindCount(text.kinds[kind], scan[`${kind}Files`]));
  return words.bar(timeBrief(scan.endedAt), found.join(", ") || words.allGood);
}

function bar(scan, i, step, most) {
  const height = HEIGHT - BOTTOM - TOP;
  const width = Math.min(36, step * 0.7); // of the bar
  const x = LEFT + step * (i + 0.5) - width / 2;
  let y = HEIGHT - BOTTOM;
  const parts = kinds
    .filter((kind) => scan[`${kind}Files`])
    .map((kind) => {
      const part = Math.max(1.5, (scan[`${kind}Files`] / most) * height);
      y -= part;
      return svg("rect", { x, y, width, height: part, class: `chart-${kind}` });
    });
  if (!parts.length) parts.push(svg("rect", { x, y: y - 2, width, height: 2, class: "chart-good" }));
  return svg("g", null, svg("title", null, tooltip(scan)), parts);
}

/** scans: complete ones of everything, oldest first. */
export function historyChart(scans) {
  const titleId = newId("chart");
  const descId = newId("chart");
  const most = roundUp(Math.max(1, ...scans.map(sum)));
  const width = matchMedia("(max-width: 640px)").matches ? NARROW : WIDE;
  const step = (width - LEFT) / scans.length;
  const edges =
    scans.length > 1
      ? [
          [scans[0], LEFT, "start"],
          [scans.at(-1), width, "end"],
        ]
      : [[scans[0], LEFT + step / 2, "middle"]];
  const picture = svg(
    "svg",
    {
      viewBox: `0 0 ${width} ${HEIGHT}`,
      role: "img",
      "aria-labelledby": `${titleId} ${descId}`,
      class: "chart",
      "data-test": "chart",
    },
    svg("title", { id: titleId }, words.chart),
    svg("desc", { id: descId }, words.chartText(scans.length, sum(scans[0]), sum(scans.at(-1)))),
    axis(most, width),
    scans.map((scan, i) => bar(scan, i, step, most)),
    edges.map(([scan, x, anchor]) =>
      svg("text", { x, y: HEIGHT - 6, "text-anchor": anchor, class: "chart-label" }, timeBrief(scan.endedAt)),
    ),
  );
  const legend = h(
    "ul",
    { class: "legend" },
    kinds.map((kind) =>
      h(
        "li",
        null,
        svg(
          "svg",
          { viewBox: "0 0 10 10", class: "legend-mark", "aria-hidden": "true" },
          svg("rect", { width: 10, height: 10, rx: 2, class: `chart-${kind}` }),
        ),
        text.kinds[kind],
      ),
    ),
  );
  return h("div", { class: "chart-box" }, picture, legend);
}
