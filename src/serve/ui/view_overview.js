// SPDX-License-Identifier: GPL-3.0-or-later
// The overview: are both sides in step, the figures, check and sync.

import { historyChart } from "./chart.js";
import { checkAll, differences } from "./check.js";
import { actionButton, h, link } from "./dom.js";
import { ago, count, duration, secondsSince, time } from "./format.js";
import { look, mayMend } from "./session.js";
import { syncDialog } from "./sync.js";
import { text } from "./text.js";
import { wholeScans } from "./view_history.js";

const words = text.overview;
const LOOK_MS = 20000;

// ---- parts ----

function card(name, value, note, where, tone) {
  const inside = [
    h("span", { class: "card-label" }, words.cards[name]),
    h("span", { class: "card-value", test: "value" }, value),
    note && h("span", { class: "card-note quiet" }, note),
  ];
  const attributes = {
    class: `card ${tone ? `card-${tone}` : ""}`,
    test: name === "age" ? "last-scan" : `card-${name}`,
  };
  return h("li", null, where ? h("a", { ...attributes, href: where }, inside) : h("div", attributes, inside));
}

function cards(scan, last) {
  const findings = (kind) => link("findings", { kind });
  const share = scan?.totalImages
    ? `${(Math.floor((1000 * scan.syncedFiles) / scan.totalImages) / 10).toFixed(1)} %`
    : null;
  const of = (kind, tone) => {
    const n = scan?.[`${kind}Files`];
    return card(kind, count(n), words.cardNotes[kind], findings(kind), n ? tone : "");
  };
  const age = last ? ago(secondsSince(last.endedAt)) : words.never;
  return h(
    "ul",
    { class: "cards" },
    card(
      "total",
      count(scan?.totalImages),
      scan && typeof scan.totalProducts === "number" ? words.cardNotes.total(scan.totalProducts) : null,
      link("products"),
    ),
    card(
      "synced",
      count(scan?.syncedFiles),
      share ? words.cardNotes.synced(share) : null,
      null,
      scan?.syncedFiles ? "good" : "",
    ),
    of("orphaned", "warn"),
    of("missing", "bad"),
    of("stale", "warn"),
    of("moved", "warn"),
    of("misfiled", "warn"),
    of("misplaced", "warn"),
    of("pending", ""),
    card("age", age, last ? time(last.endedAt) : null, link("history")),
  );
}

function banner(overview) {
  const scan = overview.lastComplete;
  const unfinished =
    overview.lastScan && overview.lastScan.state !== "complete" && overview.lastScan.state !== "running";
  if (!scan) return ["none", words.stateNever, words.stateNeverHelp];
  if (unfinished) return ["warn", words.stateOpen, words.stateOpenHelp];
  const n = differences(scan);
  if (n > 0) return ["bad", words.stateBad(n), words.stateBadHelp];
  return [
    "good",
    words.stateGood,
    scan.pendingFiles ? words.statePending(scan.pendingFiles) : words.stateGoodHelp(scan.syncedFiles),
  ];
}

function state(overview, context) {
  const [tone, heading, help] = banner(overview);
  const check = actionButton(words.check, { class: "button button-primary", test: "check" }, () =>
    checkAll(context.refresh),
  );
  const sync = mayMend() && actionButton(words.sync, { test: "sync-all" }, () => syncDialog(null, context.refresh));
  return h(
    "section",
    { class: `state state-${tone}`, test: "state", "data-state": tone },
    h("div", { class: "state-text" }, h("h2", null, heading), h("p", null, help)),
    h(
      "div",
      { class: "actions" },
      check,
      sync,
      tone === "bad" && h("a", { class: "button", href: link("findings"), test: "review-findings" }, words.review),
    ),
  );
}

function trend(whole) {
  return h(
    "section",
    { class: "panel" },
    h("div", { class: "panel-head" }, h("h2", null, words.trend), h("a", { href: link("history") }, words.trendAll)),
    whole.length ? historyChart(whole) : h("p", { class: "quiet" }, words.noTrend),
  );
}

function fact(label, value) {
  return [h("dt", null, label), h("dd", null, value)];
}

function facts(overview) {
  const { journal } = overview;
  const open = journal?.open ? words.journalOldest(journal.open, duration(journal.oldestSeconds)) : words.journalNone;
  return h(
    "section",
    { class: "panel" },
    h("h2", null, words.whereHeading),
    h(
      "dl",
      { class: "facts" },
      fact(words.store, overview.store),
      fact(words.catalog, overview.catalog),
      fact(words.rows, `${text.counted.images(overview.images)}, ${text.counted.products(overview.products)}`),
      fact(words.journal, h("a", { href: link("journal") }, open)),
      fact(words.webhook, overview.webhook ? words.webhookOn : words.webhookOff),
      fact(words.version, overview.version),
    ),
  );
}

// ---- the view ----

function keepFresh(context, figures) {
  const timer = setInterval(async () => {
    if (document.hidden || figures.contains(document.activeElement)) return;
    try {
      const now = await look(context.signal);
      figures.replaceChildren(cards(now.lastComplete, now.lastComplete));
    } catch {
      // the next look may get through; what is shown stays
    }
  }, LOOK_MS);
  context.signal.addEventListener("abort", () => clearInterval(timer));
}

export const overview = {
  title: () => words.heading,
  async render(context) {
    const [now, whole] = await Promise.all([look(context.signal), wholeScans(context.signal)]);
    const figures = h("div", null, cards(now.lastComplete, now.lastComplete));
    keepFresh(context, figures);
    return [state(now, context), figures, trend(whole), facts(now)];
  },
};
