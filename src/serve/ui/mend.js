// SPDX-License-Identifier: GPL-3.0-or-later
// Mending of single findings, or of some that were chosen: what may be done with which, asking, doing, telling.

import { beginAlerts, say, sayError } from "./alerts.js";
import { get, post } from "./api.js";
import { confirmItems } from "./dialog.js";
import { text } from "./text.js";
import { undoSince } from "./undo.js";

const CHUNK_ITEMS = 100;
const CHUNK_BYTES = 40000; // the server takes 64 KiB
const TOLD_MOST = 10;

/** Every action, in the order in which they are offered. */
export const actions = ["relink", "adopt", "refresh", "refile", "drop", "remove"];

/** What can be done about a finding. */
export function actionsOf(finding) {
  if (finding.moved) return ["relink"];
  if (finding.kind === "orphaned") return finding.misplaced ? ["remove"] : ["adopt", "remove"];
  return { missing: ["drop"], stale: ["refresh"], misfiled: ["refile"] }[finding.kind] ?? [];
}

function* chunks(findings) {
  let items = [];
  let bytes = 0;
  for (const finding of findings) {
    const item = { kind: finding.misplaced ? "misplaced" : finding.kind, key: finding.key };
    const length = new TextEncoder().encode(JSON.stringify(item)).length;
    if (items.length === CHUNK_ITEMS || (items.length && bytes + length > CHUNK_BYTES)) {
      yield items;
      items = [];
      bytes = 0;
    }
    items.push(item);
    bytes += length;
  }
  if (items.length) yield items;
}

function tell(action, results, undo) {
  const of = (outcome) => results.filter((result) => result.outcome === outcome);
  const lines = (list) => list.slice(0, TOLD_MOST).map((one) => text.mend.line(one.key, one.detail ?? one.outcome));
  const mended = of("mended");
  const skipped = of("skipped");
  const failed = of("failed");
  if (skipped.length) say("warn", text.mend.skipped(skipped.length), { items: lines(skipped) });
  if (failed.length) say("bad", text.mend.failed(failed.length), { items: lines(failed) });
  if (!mended.length) return;
  const keys = new Set(mended.map((result) => result.key));
  say(
    "good",
    text.mend.done[action](mended.length),
    action === "remove" && { action: { label: text.results.undo, test: "undo", run: () => undo(keys) } },
  );
}

/** The server's clock, as far as something that it wrote shows it. */
async function serverTime() {
  const { entries } = await get("admin/audit", { query: { limit: 1 } });
  return entries[0]?.at ?? new Date(0).toISOString();
}

// ---- what was mended since the check that the list is of ----

const memory = new Map(); // "scan key" → {done, what}

function remember(scan, action, { key, outcome, detail }) {
  const what =
    outcome === "mended"
      ? text.mend.outcome[action]
      : outcome === "skipped"
        ? text.mend.skippedOne(detail ?? "")
        : text.mend.failedOne(detail ?? "");
  memory.set(`${scan} ${key}`, { done: outcome === "mended", what });
}

/** {done, what} of a finding that was worked on in this tab; or undefined. */
export function outcomeOf(scan, key) {
  return memory.get(`${scan} ${key}`);
}

/** Of a moved file and its record one half is enough. */
function withoutHalves(findings) {
  const files = new Set(findings.filter((finding) => finding.kind === "orphaned").map((finding) => finding.key));
  return findings.filter((finding) => finding.kind !== "missing" || !files.has(finding.partner));
}

/** Ask, mend, tell. scan: the check that found them. changed: called after that, and again when it was undone. */
export async function mend(chosen, action, scan, changed) {
  const findings = action === "relink" ? withoutHalves(chosen) : chosen;
  if (
    !(await confirmItems(
      text.mend[action],
      findings.map((finding) => finding.key),
    ))
  )
    return;
  beginAlerts();
  const results = [];
  let since;
  try {
    since = await serverTime();
    for (const items of chunks(findings))
      results.push(...(await post("admin/findings/mend", { items, action })).results);
  } catch (error) {
    sayError(error);
  }
  const partners = new Map(findings.map((finding) => [finding.key, finding.partner]));
  for (const result of results) {
    remember(scan, action, result);
    const partner = partners.get(result.key);
    if (action === "relink" && partner && result.outcome === "mended")
      remember(scan, action, { ...result, key: partner });
  }
  tell(action, results, async (keys) => {
    await undoSince(since, keys);
    for (const key of keys) memory.delete(`${scan} ${key}`);
    changed();
  });
  changed();
}
