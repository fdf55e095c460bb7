// SPDX-License-Identifier: GPL-3.0-or-later
// The audit trail.

import { get } from "./api.js";
import { h } from "./dom.js";
import { none, time } from "./format.js";
import { PAGE, empty, pager, searchForm, table } from "./list.js";
import { text } from "./text.js";

const words = text.audit;

function outcome(entry) {
  const tone = /^(ok|done|committed|forward)/.test(entry.outcome) ? "good" : "info";
  return h("span", { class: `badge badge-${tone}` }, entry.outcome);
}

/** The key, and where it went. */
function place(entry) {
  if (!entry.dest) return entry.key ?? none;
  return [entry.key, h("span", { class: "dest" }, h("span", { class: "quiet" }, words.to), entry.dest)];
}

const columns = [
  { label: words.columns.at, kind: "when", head: true, cell: (entry) => time(entry.at) },
  { label: words.columns.op, cell: (entry) => entry.op },
  { label: words.columns.key, kind: "key wide", cell: place },
  { label: words.columns.actor, cell: (entry) => entry.actor },
  { label: words.columns.outcome, cell: outcome },
  { label: words.columns.detail, cell: (entry) => entry.detail ?? none },
];

export const audit = {
  title: () => words.heading,
  async render(context) {
    const query = { prefix: context.query.get("prefix"), before: context.query.get("before"), limit: PAGE };
    const page = await get("admin/audit", { query, signal: context.signal });
    return [
      searchForm(context, "prefix", text.list.prefix, text.list.prefixHint),
      page.entries.length
        ? table(words.caption, columns, page.entries, (entry) => ({ test: "audit-row", "data-key": entry.key }))
        : query.prefix
          ? empty(text.findings.none, words.nonePrefix)
          : empty(words.none, words.noneHelp),
      pager(context, "before", page.next),
    ].filter(Boolean);
  },
};
