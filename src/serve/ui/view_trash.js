// SPDX-License-Identifier: GPL-3.0-or-later
// The trash, and the way back out of it.

import { beginAlerts, sayError } from "./alerts.js";
import { get } from "./api.js";
import { confirmItems } from "./dialog.js";
import { actionButton, h } from "./dom.js";
import { none, size, time } from "./format.js";
import { PAGE, empty, pager, searchForm, selection, table } from "./list.js";
import { mayMend } from "./session.js";
import { text } from "./text.js";
import { restoreItems } from "./undo.js";

const words = text.trash;

async function restore(items, context) {
  if (
    !(await confirmItems(
      text.mend.restore,
      items.map((item) => item.key),
    ))
  )
    return;
  beginAlerts();
  try {
    await restoreItems(items);
  } catch (error) {
    sayError(error);
  }
  context.refresh();
}

function columns(choose, context) {
  const list = [
    { label: words.columns.key, kind: "key wide", cell: (item) => item.key },
    { label: words.columns.size, kind: "number", cell: (item) => size(item.size) },
    { label: words.columns.reason, cell: (item) => text.kinds[item.reason] ?? item.reason ?? none },
    { label: words.columns.row, cell: (item) => (item.hasRow ? text.yes : text.no) },
    { label: words.columns.at, kind: "when", cell: (item) => time(item.at) },
  ];
  if (!mayMend()) return list;
  return [
    { label: choose.all, cell: (item) => choose.box(item, item.key) },
    ...list,
    {
      label: text.list.actions,
      cell: (item) =>
        actionButton(
          text.mend.restore.label,
          {
            class: "button button-small",
            test: "restore",
            "aria-label": text.mend.of(text.mend.restore.label, item.key),
          },
          () => restore([item], context),
        ),
    },
  ];
}

export const trash = {
  title: () => words.heading,
  async render(context) {
    const query = { prefix: context.query.get("prefix"), after: context.query.get("after"), limit: PAGE };
    const page = await get("admin/trash", { query, signal: context.signal });
    const choose = selection((items) => [
      actionButton(text.mend.restore.label, { class: "button button-small", test: "selection-restore" }, () =>
        restore(items, context),
      ),
    ]);
    return [
      h("p", { class: "quiet" }, words.explain),
      searchForm(context, "prefix", text.list.prefix, text.list.prefixHint),
      page.items.length
        ? h(
            "div",
            { class: "stack" },
            choose.bar,
            table(words.caption, columns(choose, context), page.items, (item) => ({
              test: "trash-row",
              "data-key": item.key,
            })),
          )
        : query.prefix
          ? empty(text.findings.none, text.findings.nonePrefix)
          : empty(words.none, words.noneHelp),
      pager(context, "after", page.next),
    ].filter(Boolean);
  },
};
