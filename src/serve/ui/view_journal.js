// SPDX-License-Identifier: GPL-3.0-or-later
// The journal: operations under way, and the programs that work on the catalog.

import { get } from "./api.js";
import { h } from "./dom.js";
import { count, none, time } from "./format.js";
import { empty, table } from "./list.js";
import { text } from "./text.js";

const words = text.journal;

function life(alive, dead) {
  return alive
    ? h("span", { class: "badge badge-good" }, words.alive)
    : [h("span", { class: "badge badge-warn" }, words.dead), dead && h("p", { class: "small quiet" }, dead)];
}

const intentColumns = [
  { label: words.columns.op, head: true, cell: (intent) => intent.op },
  { label: words.columns.state, cell: (intent) => intent.state },
  { label: words.columns.key, kind: "key wide", cell: (intent) => intent.key ?? none },
  { label: words.columns.dest, kind: "key", cell: (intent) => intent.dest ?? none },
  { label: words.columns.objects, kind: "number", cell: (intent) => count(intent.objects) },
  { label: words.columns.started, kind: "when", cell: (intent) => time(intent.startedAt) },
  { label: words.columns.owner, cell: (intent) => life(intent.alive, words.deadOwner) },
];

const instanceColumns = [
  { label: words.instanceColumns.kind, head: true, cell: (one) => one.kind },
  { label: words.instanceColumns.host, kind: "key", cell: (one) => one.host },
  { label: words.instanceColumns.pid, kind: "number", cell: (one) => String(one.pid ?? none) },
  { label: words.instanceColumns.started, kind: "when", cell: (one) => time(one.startedAt) },
  { label: words.instanceColumns.alive, cell: (one) => life(one.alive, null) },
];

export const journal = {
  title: () => words.heading,
  async render(context) {
    const { intents, instances } = await get("admin/journal", { signal: context.signal });
    return [
      h(
        "section",
        { class: "stack" },
        h("h2", null, words.intents),
        intents.length
          ? table(words.intentsCaption, intentColumns, intents, (intent) => ({
              test: "intent-row",
              "data-key": intent.id,
            }))
          : empty(words.none, words.noneHelp),
      ),
      h(
        "section",
        { class: "stack" },
        h("h2", null, words.instances),
        instances.length
          ? table(words.instancesCaption, instanceColumns, instances, (one) => ({
              test: "instance-row",
              "data-key": one.id,
            }))
          : empty(words.noInstances),
      ),
    ];
  },
};
