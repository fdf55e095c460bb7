// SPDX-License-Identifier: GPL-3.0-or-later
// Findings with their pictures and what can be done about them, each or some together.

import { actionButton, h, link } from "./dom.js";
import { size } from "./format.js";
import { selection } from "./list.js";
import { actions, actionsOf, mend, outcomeOf } from "./mend.js";
import { mayMend } from "./session.js";
import { text } from "./text.js";
import { thumb } from "./thumb.js";

const words = text.findings;
const tones = { orphaned: "warn", missing: "bad", stale: "warn", misfiled: "warn", pending: "info" };
const ETAG_SHOWN = 8; // digits; the title has all
const hasObject = (finding) => finding.kind !== "missing";

export function kindBadge(kind) {
  return h("span", { class: `badge badge-${tones[kind] ?? "info"}` }, text.kinds[kind] ?? kind);
}

function facts(finding) {
  const pairs = [];
  const both = (bytes, etag) =>
    etag ? [words.sizeAndEtag(size(bytes)), h("abbr", { title: etag }, etag.slice(0, ETAG_SHOWN))] : words.unrecorded;
  if (finding.objectEtag !== undefined) pairs.push([words.object, both(finding.objectSize, finding.objectEtag)]);
  if (finding.rowEtag !== undefined) pairs.push([words.record, both(finding.rowSize, finding.rowEtag)]);
  if (finding.partner) pairs.push([words.partner, h("span", { class: "key" }, finding.partner)]);
  if (finding.detail) pairs.push([words.detail, finding.detail]);
  return (
    pairs.length > 0 &&
    h(
      "dl",
      { class: "facts facts-small" },
      pairs.map(([name, value]) => [h("dt", null, name), h("dd", null, value)]),
    )
  );
}

function badges(finding) {
  return h(
    "div",
    { class: "badges" },
    kindBadge(finding.kind),
    finding.moved && kindBadge("moved"),
    finding.misplaced && kindBadge("misplaced"),
    finding.twin && kindBadge("twin"),
    finding.productId &&
      h("a", { class: "small", href: link(`product/${encodeURIComponent(finding.productId)}`) }, finding.productId),
  );
}

function row(finding, scan, choose, run, { signal, mendable }) {
  const outcome = outcomeOf(scan, finding.key);
  const offered = mendable && !outcome?.done ? actionsOf(finding) : [];
  const buttons = offered.map((action) =>
    actionButton(
      text.mend[action].label,
      { class: "button button-small", test: action, "aria-label": text.mend.of(text.mend[action].label, finding.key) },
      () => run([finding], action),
    ),
  );
  return h(
    "li",
    { class: "finding", tabindex: "-1", test: "findings-row", "data-key": finding.key, "data-kind": finding.kind },
    offered.length > 0 ? choose.box(finding, finding.key) : h("span", { class: "no-box" }),
    thumb(finding.key, {
      there: hasObject(finding) && !(outcome?.done && outcome.what === text.mend.outcome.remove),
      size: finding.objectSize,
      signal,
    }),
    h(
      "div",
      { class: "finding-text" },
      h("p", { class: "key" }, finding.key),
      badges(finding),
      facts(finding),
      outcome && h("p", { class: `badge ${outcome.done ? "badge-good" : "badge-bad"}`, test: "outcome" }, outcome.what),
    ),
    buttons.length > 0 && h("div", { class: "finding-actions" }, buttons),
  );
}

/** findings of one scan. refresh: shows the list anew. recent: is it the newest scan, so that mending makes sense? */
export function findingList(findings, scan, { signal, refresh }, recent = true) {
  const mendable = recent && mayMend();
  const run = (chosen, action) => mend(chosen, action, scan, refresh);
  const choose = selection((chosen) =>
    actions
      .filter((action) => chosen.every((finding) => actionsOf(finding).includes(action)))
      .map((action) =>
        actionButton(
          text.mend[action].label,
          {
            class: `button button-small ${text.mend[action].danger ? "button-danger" : ""}`,
            test: `selection-${action}`,
          },
          () => run(chosen, action),
        ),
      ),
  );
  const rows = findings.map((finding) => row(finding, scan, choose, run, { signal, mendable }));
  const some = mendable && findings.some((finding) => actionsOf(finding).length > 0);
  return h(
    "div",
    { class: "panel panel-list" },
    some &&
      h(
        "div",
        { class: "list-head" },
        h("label", { class: "choose-all" }, choose.all, h("span", null, text.list.selectAll)),
        choose.bar,
      ),
    h("ul", { class: "findings", "aria-label": words.caption }, rows),
  );
}
