// SPDX-License-Identifier: GPL-3.0-or-later
// What the last complete check found, by kind.

import { get, segment } from "./api.js";
import { checkAll } from "./check.js";
import { actionButton, h, link } from "./dom.js";
import { findingList } from "./finding_list.js";
import { count, time } from "./format.js";
import { PAGE, empty, pager, queryWith, searchForm } from "./list.js";
import { lastFindings, overview } from "./session.js";
import { text } from "./text.js";

const words = text.findings;
const kinds = ["all", "orphaned", "missing", "stale", "moved", "misfiled", "misplaced", "pending", "twin"];

function countOf(scan, kind) {
  if (kind === "all")
    return scan.orphanedFiles + scan.missingFiles + scan.staleFiles + scan.misfiledFiles + scan.pendingFiles;
  return kind === "twin" ? scan.twins : scan[`${kind}Files`];
}

function tabs(context, kind, scan) {
  return h(
    "nav",
    { class: "tabs", "aria-label": words.kinds },
    h(
      "ul",
      null,
      kinds.map((one) =>
        h(
          "li",
          null,
          h(
            "a",
            {
              href: link("findings", queryWith(context, { kind: one === "all" ? "" : one })),
              "aria-current": one === kind ? "true" : null,
              test: `kind-${one}`,
            },
            text.kinds[one],
            scan && h("span", { class: "tab-count" }, count(countOf(scan, one))),
          ),
        ),
      ),
    ),
  );
}

function nothing(context, kind) {
  if (context.query.get("prefix")) return empty(words.none, words.nonePrefix);
  return empty(words.none, kind === "all" ? words.noneAll : words.noneOf(text.kinds[kind]));
}

/** Of the newest check, what can be mended; of an older one, only what it saw. */
function intro(context, kind, scan, page) {
  const old = context.query.has("scan");
  if (!old) context.head.append(actionButton(words.check, { test: "check" }, () => checkAll(context.refresh)));
  const which = scan ? words.of(time(scan.endedAt)) : words.ofNumber(page.scan);
  return h(
    "p",
    { class: "quiet" },
    `${text.kindMeans[kind]} ${which} `,
    old ? h("a", { href: link("findings"), test: "to-newest" }, words.toNewest) : words.again,
  );
}

export const findings = {
  title: () => words.heading,
  async render(context) {
    const old = context.query.get("scan");
    const kind = kinds.includes(context.query.get("kind")) ? context.query.get("kind") : "all";
    const query = {
      kind: kind === "all" ? "" : kind,
      prefix: context.query.get("prefix"),
      after: context.query.get("after"),
      limit: PAGE,
    };
    const page = old
      ? await get(`admin/scans/${segment(old)}/findings`, { query, signal: context.signal })
      : await lastFindings(query, context.signal);
    if (!page)
      return empty(
        words.noScan,
        words.noScanHelp,
        h("a", { class: "button button-primary", href: link("overview") }, words.toOverview),
      );
    const newest = overview()?.lastComplete;
    const scan = newest?.id === page.scan ? newest : null;
    return [
      tabs(context, kind, scan),
      intro(context, kind, scan, page),
      searchForm(context, "prefix", text.list.prefix, text.list.prefixHint),
      page.findings.length ? findingList(page.findings, page.scan, context, !old) : nothing(context, kind),
      pager(context, "after", page.next),
    ].filter(Boolean);
  },
};
