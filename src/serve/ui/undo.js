// SPDX-License-Identifier: GPL-3.0-or-later
// Back from the trash: what one action has removed, or items that were chosen.

import { say, sayError } from "./alerts.js";
import { get, post, segment } from "./api.js";
import { showProgress } from "./jobs.js";
import { text } from "./text.js";

const PAGE = 1000;
const AT_ONCE = 3;
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"; // Crockford's base32, in which ids of trash begin with the time

/** The least id of what was put to the trash at a time or later. */
function idFrom(iso) {
  let ms = new Date(iso).getTime();
  let id = "";
  for (let i = 0; i < 10; i++) {
    id = ALPHABET[ms % 32] + id;
    ms = Math.floor(ms / 32);
  }
  return id;
}

/** Restore items of the trash; says how many came back, and why others did not. */
export async function restoreItems(items) {
  const failures = [];
  const waiting = [...items];
  let restored = 0;
  const work = async () => {
    for (let item; (item = waiting.shift());)
      try {
        await post(`admin/trash/${segment(item.id)}/restore`);
        restored++;
      } catch (error) {
        if (error.status === 401 || error.status === 0) waiting.length = 0;
        failures.push(text.mend.line(item.key, error.message));
      }
  };
  const shown = showProgress(text.jobs.restore);
  const timer = setInterval(() => shown.update({ state: "running", done: restored, total: items.length }), 250);
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  } finally {
    clearInterval(timer);
    shown.end();
  }
  if (restored) say("good", text.undo.done(restored));
  if (failures.length) say("bad", text.undo.failed(failures.length), { items: failures.slice(0, 10) });
}

/** Restore what was removed since a time (the server's), of these keys (null = whatever a check found). */
export async function undoSince(iso, keys) {
  const found = new Map(); // of a key that was removed twice the newer
  try {
    for (let after = idFrom(iso); after !== null;) {
      const page = await get("admin/trash", { query: { after, limit: PAGE } });
      for (const item of page.items)
        if (keys ? keys.has(item.key) : /^(orphaned|misplaced)$/.test(item.reason)) found.set(item.key, item);
      after = page.next;
    }
    if (found.size) await restoreItems([...found.values()]);
    else say("info", text.undo.none);
  } catch (error) {
    sayError(error);
  }
}
