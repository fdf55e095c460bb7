// SPDX-License-Identifier: GPL-3.0-or-later
// Long work on the server: started as a job, followed by its stream of events, shown as progress.

import { sayError } from "./alerts.js";
import { ApiError, get, jobEvents, segment } from "./api.js";
import { h, newId } from "./dom.js";
import { count } from "./format.js";
import { text } from "./text.js";

const ASK_AGAIN_MS = 1000;
const SPEAK_MS = 4000; // a screen reader is told no oftener
const LOST_MOST = 30; // times without an answer

const region = h("div", { class: "jobs" });
let left = new AbortController();

/** Where the progress of jobs is shown, whatever view is open. */
export function jobRegion() {
  return region;
}

/** Stop following; the jobs go on. */
export function leaveJobs() {
  left.abort();
  left = new AbortController();
  region.replaceChildren();
}

function describe(job) {
  if (job.state === "queued") return text.jobs.queued;
  if (!job.total) return job.done ? text.jobs.done(job.done) : text.jobs.starting;
  return text.jobs.doneOf(Math.min(job.done, job.total), job.total);
}

function panel(label) {
  const labelId = newId("job");
  const bar = h("progress", { max: 1, "aria-labelledby": labelId });
  const said = h("span", { class: "quiet figures", test: "progress-text" }, text.jobs.starting);
  const spoken = h("span", { class: "unseen", role: "status" }, label);
  const node = h(
    "section",
    { class: "job", test: "progress", "aria-label": text.jobs.region },
    h("div", { class: "job-line" }, h("strong", { id: labelId }, label), said),
    bar,
    spoken,
  );
  let spokeAt = Date.now();
  return {
    node,
    update(job) {
      said.textContent = describe(job);
      if (job.total) {
        bar.max = job.total;
        bar.value = Math.min(job.done, job.total);
      } else {
        bar.removeAttribute("value");
      }
      if (Date.now() - spokeAt < SPEAK_MS) return;
      spokeAt = Date.now();
      spoken.textContent = job.total
        ? text.jobs.percent(count(Math.floor((100 * bar.value) / bar.max)))
        : describe(job);
    },
    tell(what) {
      said.textContent = what;
    },
  };
}

/** Progress of something that is no job: {update(job), end()}. */
export function showProgress(label, host) {
  const shown = panel(label);
  (host ?? region).append(shown.node);
  return { ...shown, end: () => shown.node.remove() };
}

const hasEnded = (job) => job.state === "done" || job.state === "aborted";

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(signal.reason);
      },
      { once: true },
    );
  });
}

/** Follow a job to its end; a stream that breaks off (a proxy, a restart) is taken up again. */
async function follow(job, shown, signal) {
  let lost = 0;
  while (!hasEnded(job)) {
    try {
      for await (const event of jobEvents(job.id, signal)) {
        lost = 0;
        job = event.data;
        shown.update(job);
      }
      if (!hasEnded(job)) job = await get(`admin/jobs/${segment(job.id)}`, { signal });
    } catch (error) {
      const transient = !(error instanceof ApiError) || error.status === 0 || error.status >= 500;
      if (signal.aborted || !transient || ++lost > LOST_MOST) throw error;
      shown.tell(text.jobs.lost);
    }
    if (!hasEnded(job)) await pause(ASK_AGAIN_MS, signal);
  }
  return job;
}

/**
 * Start a job and wait for its end, with progress in `host` (or above the page). Gives the job; throws what the job's
 * own answer was when that is an error.
 */
export async function runJob(label, start, { host, signal } = {}) {
  const shown = showProgress(label, host);
  const either = signal ? AbortSignal.any([signal, left.signal]) : left.signal;
  try {
    const job = await follow(await start(), shown, either);
    if (job.state === "aborted") throw new ApiError(0, { detail: text.jobs.aborted });
    if (job.status >= 400) await get(`admin/jobs/${segment(job.id)}/result`); // throws
    return job;
  } finally {
    shown.end();
  }
}

function labelOf(job) {
  if (job.kind.endsWith("/check-all")) return text.jobs.check;
  return job.kind.endsWith("/sync-all") ? text.jobs.sync : null;
}

/** Show the progress of what runs already, as after a reload. whenDone: called at the end of each. */
export async function adoptRunning(whenDone) {
  const signal = left.signal;
  try {
    const { jobs } = await get("admin/jobs", { signal });
    for (const job of jobs.filter((one) => !hasEnded(one) && labelOf(one)))
      runJob(labelOf(job), () => job).then(whenDone, sayError);
  } catch (error) {
    if (!signal.aborted) sayError(error);
  }
}
