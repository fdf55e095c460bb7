// SPDX-License-Identifier: GPL-3.0-or-later
// Sync, of everything or of one product: choose, see exactly what would happen, say yes, be told what happened.
//
// The preview is a dry run on the server. When the guard stops it, its answer holds the plan and the number that lets
// it pass; that number must be typed.

import { beginAlerts, say, sayError } from "./alerts.js";
import { get, jobSummary, post, productPath } from "./api.js";
import { checkAll, countsOf, differences, findingsOf } from "./check.js";
import { cancelButton, openDialog, typedCount } from "./dialog.js";
import { actionButton, button, h, newId } from "./dom.js";
import { runJob } from "./jobs.js";
import { overview } from "./session.js";
import { text } from "./text.js";
import { undoSince } from "./undo.js";

const SAMPLE = 5; // keys that are shown of each row
const LOOKED_AT = 200; // findings among which they are sought
const dangerous = new Set(["removed", "misplaced", "dropped"]);

// ---- what is asked of the server ----

function pathOf(product) {
  return product === null ? "admin/products/sync/sync-all" : `${productPath(product)}/images/sync`;
}

async function readResult(job, product) {
  if (product === null) return jobSummary(job.id);
  const lists = await get(job.result.replace(/^\//, ""));
  return { ...countsOf(lists), mended: lists.mended, lists };
}

/** Counts by what would happen, from a dry run's `mended` or a guard's `plan`. */
function rowsOf(done) {
  return {
    removed: done.removedOrphaned ?? done.removeOrphaned ?? 0,
    misplaced: done.removedMisplaced ?? done.removeMisplaced ?? 0,
    dropped: done.dropped ?? done.drop ?? 0,
    recreated: done.adopted ?? done.adopt ?? 0,
    relinked: done.relinked ?? done.relink ?? 0,
  };
}

/** Try it: {rows, kept, guard, lists}. kept is null when it cannot be told. */
async function preview(product, wishes, dialog) {
  const start = () => post(pathOf(product), { ...wishes, dryRun: true }, { query: { async: 1 } });
  try {
    const job = await runJob(text.jobs.preview, start, {
      host: dialog.node.querySelector(".dialog-body"),
      signal: dialog.signal,
    });
    const result = await readResult(job, product);
    const rows = rowsOf(result.mended);
    return { rows, kept: leftOf(result, rows), guard: null, lists: result.lists };
  } catch (error) {
    if (error.status !== 409 || error.problem?.code !== "guard") throw error;
    const rows = rowsOf(error.problem.plan ?? {});
    const scan = product === null ? (await get("admin/overview")).lastComplete : null;
    return { rows, kept: scan ? leftOf(scan, rows) : null, guard: error.problem, lists: null };
  }
}

/** Differences that stay: a relinked pair is an orphaned file and a missing record. */
function leftOf(counts, rows) {
  const mended = rows.removed + rows.misplaced + rows.dropped + rows.recreated + 2 * rows.relinked;
  return Math.max(0, differences(counts) - mended);
}

// ---- the first keys of each row ----

function belongs(finding, row, wishes) {
  const relinks = finding.moved && wishes.recreateMissing;
  const plain = finding.kind === "orphaned" && !finding.misplaced && !relinks;
  const tests = {
    removed: plain && wishes.removeOrphaned,
    misplaced: finding.misplaced && wishes.removeMisplaced,
    dropped: finding.kind === "missing" && !finding.moved && wishes.recreateMissing,
    recreated: plain && wishes.recreateMissing && !wishes.removeOrphaned,
    relinked: finding.kind === "orphaned" && relinks,
  };
  if (row !== "kept") return tests[row];
  const mended = Object.values(tests).some(Boolean) || (finding.kind === "missing" && relinks);
  return !mended && ["orphaned", "missing", "stale", "misfiled"].includes(finding.kind);
}

/** Where the kept findings are looked for. */
const kindsOfRow = {
  removed: ["orphaned"],
  recreated: ["orphaned"],
  relinked: ["moved"],
  misplaced: ["misplaced"],
  dropped: ["missing"],
  kept: ["stale", "misfiled", "missing", "misplaced", "orphaned"],
};

async function samplesOf(row, plan, product, wishes, signal) {
  const keysOf = (found) => found.filter((finding) => belongs(finding, row, wishes)).map((finding) => finding.key);
  if (product !== null) return plan.lists ? keysOf(findingsOf(plan.lists)).slice(0, SAMPLE) : [];
  const keys = new Set();
  for (const kind of kindsOfRow[row]) {
    const page = await get("admin/scans/last/findings", { query: { kind, limit: LOOKED_AT }, signal });
    for (const key of keysOf(page.findings)) keys.add(key);
    if (keys.size >= SAMPLE) break;
  }
  return [...keys].slice(0, SAMPLE);
}

async function planRow(row, n, plan, product, wishes, signal) {
  const keys = await samplesOf(row, plan, product, wishes, signal).catch(() => []);
  return h(
    "li",
    { class: `plan-row ${dangerous.has(row) ? "plan-danger" : ""}`, test: `plan-${row}` },
    h("span", { class: `verb verb-${row}` }, text.sync.verbs[row]),
    h(
      "div",
      null,
      h("strong", null, text.sync.plan[row](n)),
      keys.length > 0 &&
        h(
          "ul",
          { class: "keys" },
          keys.map((key) => h("li", null, key)),
          n > keys.length && h("li", { class: "quiet" }, text.sync.more(n - keys.length)),
        ),
    ),
  );
}

// ---- the dialog's two pages ----

function choice(name, label, help, checked) {
  const id = newId("choice");
  const box = h("input", { id, type: "checkbox", test: name, "aria-describedby": `${id}-help` });
  box.checked = checked;
  const node = h(
    "div",
    { class: "choice" },
    box,
    h("div", null, h("label", { for: id }, label), h("p", { id: `${id}-help`, class: "quiet small" }, help)),
  );
  return { box, node };
}

function choosePage(dialog, product, chosen) {
  const remove = choice(
    "dialog-remove-orphaned",
    text.sync.remove,
    text.sync.removeHelp,
    chosen.removeOrphaned ?? false,
  );
  const recreate = choice(
    "dialog-recreate-missing",
    text.sync.recreate,
    text.sync.recreateHelp,
    chosen.recreateMissing ?? false,
  );
  const misplaced = choice(
    "dialog-remove-misplaced",
    text.sync.misplaced,
    text.sync.misplacedHelp,
    chosen.removeMisplaced ?? false,
  );
  const go = actionButton(text.sync.preview, { class: "button button-primary", test: "dialog-preview" }, async () => {
    const wishes = {};
    if (remove.box.checked) wishes.removeOrphaned = true;
    if (recreate.box.checked) wishes.recreateMissing = true;
    if (misplaced.box.checked) wishes.removeMisplaced = true;
    if (!Object.keys(wishes).length) {
      dialog.fail(text.sync.choose);
      return;
    }
    await planPage(dialog, product, wishes);
  });
  dialog.setBody(h("p", null, text.sync.explain), remove.node, recreate.node, misplaced.node);
  dialog.setButtons(cancelButton(dialog), go);
}

async function planPage(dialog, product, wishes) {
  let plan;
  dialog.setBody();
  dialog.setButtons(cancelButton(dialog));
  dialog.focusTitle();
  try {
    plan = await preview(product, wishes, dialog);
  } catch (error) {
    if (dialog.signal.aborted) return;
    choosePage(dialog, product, wishes);
    dialog.fail(error.message);
    return;
  }
  const used = Object.entries(plan.rows).filter(([, n]) => n > 0);
  if (plan.kept) used.push(["kept", plan.kept]);
  const rows = await Promise.all(used.map(([row, n]) => planRow(row, n, plan, product, wishes, dialog.signal)));
  if (dialog.signal.aborted) return;
  showPlan(
    dialog,
    product,
    wishes,
    plan,
    used.map(([row]) => row),
    rows,
  );
}

/** used: which rows there are; nodes: their elements. */
function showPlan(dialog, product, wishes, plan, used, nodes) {
  const typed = plan.guard?.confirm; // the number that lets it pass the guard
  const stopped = plan.guard && typed === undefined;
  const nothing = used.every((row) => row === "kept");
  const may = !nothing && !stopped;
  const tone = used.some((row) => dangerous.has(row)) ? "button-danger" : "button-primary";
  const confirm = actionButton(text.sync.confirm, { class: `button ${tone}`, test: "dialog-confirm" }, () =>
    dialog.close(typed === undefined ? wishes : { ...wishes, confirm: typed }),
  );
  const back = () => {
    choosePage(dialog, product, wishes);
    dialog.focusTitle();
  };
  const heading = stopped ? text.sync.stoppedHeading : nothing ? text.sync.nothing : text.sync.planHeading;
  dialog.setBody(
    typed !== undefined && h("p", { class: "note note-warn" }, text.sync.guardMany(overview()?.maxChange)),
    stopped && h("p", { class: "note note-warn" }, text.sync.guard(plan.guard.detail)),
    stopped && h("p", { class: "note note-bad" }, text.sync.guardBucket),
    h("div", { test: "dialog-plan" }, h("h3", null, heading), h("ul", { class: "plan" }, nodes)),
    may && h("p", { class: "quiet small" }, text.sync.changed),
  );
  dialog.setButtons(
    typed !== undefined && typedCount(typed, confirm),
    cancelButton(dialog),
    button(text.sync.again, { test: "dialog-back", onclick: back }),
    may && confirm,
  );
  dialog.focusTitle();
}

// ---- doing it ----

/** Say what was done; gives whether there was anything. again: called once what was removed is back. */
function tell(result, createdAt, again) {
  const done = result.mended;
  const rows = rowsOf(done);
  const removed = rows.removed + rows.misplaced;
  const said = [
    ["good", "relinked", rows.relinked],
    ["good", "recreated", rows.recreated],
    ["good", "dropped", rows.dropped],
    ["good", "refreshed", done.refreshed],
    ["good", "refiled", done.refiled],
  ].filter(([, , n]) => n > 0);
  if (done.skipped) say("warn", text.results.skipped(done.skipped));
  if (done.failed)
    say("bad", text.results.failed(done.failed), {
      items: (result.errorMessages ?? result.lists?.errors ?? []).slice(0, 10),
    });
  for (const [kind, word, n] of said) say(kind, text.results[word](n));
  if (removed)
    say("good", text.results.removed(removed), {
      action: {
        label: text.results.undo,
        test: "undo",
        run: async () => {
          await undoSince(createdAt, null);
          await again();
        },
      },
    });
  const idle = !said.length && !removed && !done.skipped && !done.failed;
  if (idle) say("info", text.results.nothing);
  return !idle;
}

/**
 * product: its id, or null for everything. done: called when something may have changed. After a sync of everything all
 * is checked once more, so that the figures are those of afterwards.
 */
export async function syncDialog(product, done) {
  const dialog = openDialog(product === null ? text.sync.heading : text.sync.headingProduct(product));
  choosePage(dialog, product, {});
  const wishes = await dialog.closed;
  if (!wishes) return;
  beginAlerts();
  const again = () => (product === null ? checkAll(done, true) : done());
  try {
    const job = await runJob(product === null ? text.jobs.sync : text.jobs.syncProduct(product), () =>
      post(pathOf(product), wishes, { query: { async: 1 } }),
    );
    if (tell(await readResult(job, product), job.createdAt, again)) {
      await again();
      return;
    }
  } catch (error) {
    if (error.status === 409 && error.problem?.code === "guard") say("bad", text.sync.guard(error.message));
    else sayError(error);
  }
  done();
}
