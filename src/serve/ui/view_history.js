// SPDX-License-Identifier: GPL-3.0-or-later
// Checks so far: a chart of those of everything, a table of all.

import { get } from "./api.js";
import { historyChart } from "./chart.js";
import { h, link } from "./dom.js";
import { count, duration, none, time } from "./format.js";
import { PAGE, empty, pager, table } from "./list.js";
import { text } from "./text.js";

const words = text.history;
const SHOWN_MOST = 40;
const tones = { complete: "good", incomplete: "bad", running: "info", died: "bad" };
const figures = ["total", "synced", "orphaned", "missing", "stale", "moved", "misfiled", "misplaced", "errors"];
const member = { total: "totalImages", errors: "errors" };

/** The newest complete checks of everything, oldest first. */
export async function wholeScans(signal) {
  const { scans } = await get("admin/scans", { query: { limit: 200 }, signal });
  return scans
    .filter((scan) => scan.complete && scan.scope === "")
    .slice(0, SHOWN_MOST)
    .reverse();
}

function took(scan) {
  const seconds = (new Date(scan.endedAt) - new Date(scan.startedAt)) / 1000;
  return seconds < 1 ? words.moment : duration(seconds);
}

function columns() {
  return [
    { label: words.columns.started, kind: "wide", head: true, cell: (scan) => time(scan.startedAt) },
    { label: words.columns.took, kind: "when", cell: (scan) => (scan.endedAt ? took(scan) : none) },
    {
      label: words.columns.state,
      cell: (scan) =>
        h("span", { class: `badge badge-${tones[scan.state] ?? "info"}` }, words.states[scan.state] ?? scan.state),
    },
    { label: words.columns.scope, kind: "key", cell: (scan) => scan.scope || words.everything },
    {
      label: words.columns.findings,
      cell: (scan) =>
        scan.findingsKept
          ? h(
              "a",
              {
                href: link("findings", { scan: scan.id }),
                test: "scan-findings",
                "aria-label": words.showOf(time(scan.startedAt)),
              },
              words.show,
            )
          : none,
    },
    ...figures.map((name) => ({
      label: words.columns[name],
      kind: "number",
      cell: (scan) => count(scan[member[name] ?? `${name}Files`]),
    })),
  ];
}

export const history = {
  title: () => words.heading,
  async render(context) {
    const [whole, page] = await Promise.all([
      wholeScans(context.signal),
      get("admin/scans", { query: { before: context.query.get("before"), limit: PAGE }, signal: context.signal }),
    ]);
    if (!page.scans.length)
      return empty(
        words.none,
        words.noneHelp,
        h("a", { class: "button button-primary", href: link("overview") }, text.findings.toOverview),
      );
    return [
      whole.length > 0 && h("section", { class: "panel" }, h("h2", null, words.chart), historyChart(whole)),
      table(words.caption, columns(), page.scans, (scan) => ({ test: "scan-row", "data-key": scan.id })),
      pager(context, "before", page.next),
    ].filter(Boolean);
  },
};
