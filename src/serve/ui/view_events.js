// SPDX-License-Identifier: GPL-3.0-or-later
// What the bucket has told lately.

import { get } from "./api.js";
import { h } from "./dom.js";
import { count, none, time } from "./format.js";
import { empty, table } from "./list.js";
import { look } from "./session.js";
import { text } from "./text.js";

const words = text.events;

const columns = [
  { label: words.columns.at, kind: "when", head: true, cell: (event) => time(event.at) },
  { label: words.columns.name, cell: (event) => event.name },
  { label: words.columns.key, kind: "key wide", cell: (event) => event.key },
  {
    label: words.columns.outcome,
    cell: (event) =>
      h("span", { class: `badge ${event.outcome === "failed" ? "badge-bad" : ""}` }, event.outcome ?? none),
  },
  { label: words.columns.sequencer, kind: "key", cell: (event) => event.sequencer ?? none },
];

function counters(counts) {
  return h(
    "dl",
    { class: "counters", "aria-label": words.countersLabel },
    Object.entries(words.counters).map(([name, label]) =>
      h("div", { test: "event-counter", "data-key": name }, h("dt", null, label), h("dd", null, count(counts[name]))),
    ),
  );
}

export const events = {
  title: () => words.heading,
  async render(context) {
    const [page, overview] = await Promise.all([get("admin/events", { signal: context.signal }), look(context.signal)]);
    return [
      h("p", { class: "quiet" }, words.explain),
      h(
        "section",
        { class: "panel" },
        h("h2", null, words.countersLabel),
        counters({
          ...overview.events,
          waiting: page.waiting,
          unannounced: overview.lastComplete?.unannouncedFiles,
        }),
      ),
      page.events.length
        ? table(words.caption, columns, page.events, (event) => ({ test: "event-row", "data-key": event.key }))
        : empty(words.none, words.noneHelp),
    ];
  },
};
