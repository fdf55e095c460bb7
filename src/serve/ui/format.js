// SPDX-License-Identifier: GPL-3.0-or-later
// Figures, sizes and times as people read them.

import { text } from "./text.js";

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const stamp = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const brief = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

export const none = "–";

export function count(n) {
  return typeof n === "number" ? whole.format(n) : none;
}

export function size(bytes) {
  if (typeof bytes !== "number") return none;
  let at = 0;
  while (bytes >= 1000 && at < text.sizes.length - 1) {
    bytes /= 1000;
    at++;
  }
  return `${short.format(bytes)} ${text.sizes[at]}`;
}

export function time(iso) {
  const date = iso ? new Date(iso) : null;
  return date && !Number.isNaN(date.getTime()) ? stamp.format(date) : none;
}

export function timeBrief(iso) {
  const date = iso ? new Date(iso) : null;
  return date && !Number.isNaN(date.getTime()) ? brief.format(date) : none;
}

/** A length of time in its largest unit: "4 minutes". */
export function duration(seconds) {
  if (typeof seconds !== "number" || Number.isNaN(seconds)) return none;
  const units = [
    [86400, text.units.day],
    [3600, text.units.hour],
    [60, text.units.minute],
    [1, text.units.second],
  ];
  const [length, unit] = units.find(([least]) => seconds >= least) ?? units.at(-1);
  const n = Math.max(0, Math.floor(seconds / length));
  return unit(n);
}

export function ago(seconds) {
  return seconds < 10 ? text.justNow : text.ago(duration(seconds));
}

export function secondsSince(iso) {
  return iso ? Math.max(0, (Date.now() - new Date(iso).getTime()) / 1000) : NaN;
}
