// SPDX-License-Identifier: GPL-3.0-or-later
// A check of everything, or of one product.

import { beginAlerts, say, sayError } from "./alerts.js";
import { get, jobSummary, productPath } from "./api.js";
import { link } from "./dom.js";
import { runJob } from "./jobs.js";
import { text } from "./text.js";

/** Differences that somebody should look at; pending ones settle by themselves. */
export function differences(counts) {
  return counts.orphanedFiles + counts.missingFiles + counts.staleFiles + counts.misfiledFiles;
}

function sayChecked(counts, complete, where) {
  if (!complete) {
    say("bad", text.check.incomplete, { topic: "check" });
    return;
  }
  const n = differences(counts);
  if (n === 0) say("good", text.check.good(counts.syncedFiles), { topic: "check" });
  else
    say("warn", text.check.bad(n, counts.totalImages), {
      topic: "check",
      action: where && { label: text.check.review, test: "review", run: () => (location.hash = where) },
    });
}

/** again: it ends what has just been told of, and that stays. */
export async function checkAll(done, again) {
  if (!again) beginAlerts();
  try {
    const job = await runJob(text.jobs.check, () => get("admin/products/sync/check-all", { query: { async: 1 } }));
    const summary = await jobSummary(job.id);
    sayChecked(summary, summary.complete, link("findings"));
  } catch (error) {
    sayError(error);
  }
  done();
}

/** The counts of an answer that has lists. */
export function countsOf(lists) {
  const counts = {};
  for (const [name, list] of Object.entries(lists)) if (Array.isArray(list)) counts[name] = list.length;
  counts.totalImages =
    counts.syncedFiles +
    counts.orphanedFiles +
    counts.missingFiles +
    counts.staleFiles +
    counts.misfiledFiles +
    counts.pendingFiles;
  return counts;
}

/** Check one product; gives its lists, or null when that failed. */
export async function checkProduct(id) {
  beginAlerts();
  try {
    const job = await runJob(text.jobs.checkProduct(id), () =>
      get(`${productPath(id)}/images/sync/check`, { query: { async: 1 } }),
    );
    const lists = await get(job.result.replace(/^\//, ""));
    sayChecked(countsOf(lists), lists.complete, null);
    return lists;
  } catch (error) {
    sayError(error);
    return null;
  }
}

/** The lists of one product as findings. */
export function findingsOf(lists) {
  const moved = new Set(lists.movedFiles);
  const misplaced = new Set(lists.misplacedFiles);
  const of = (name, kind) =>
    (lists[name] ?? []).map((key) => ({ kind, key, moved: moved.has(key), misplaced: misplaced.has(key) }));
  return [
    ...of("orphanedFiles", "orphaned"),
    ...of("missingFiles", "missing"),
    ...of("staleFiles", "stale"),
    ...of("misfiledFiles", "misfiled"),
  ];
}
