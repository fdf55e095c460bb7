// SPDX-License-Identifier: GPL-3.0-or-later
// Who is signed in, and what the last look at the whole told. The token itself is api.js's.

import { forgetToken, get, keepToken } from "./api.js";

let known = null;

/** Ask for the overview with a token; when the server takes it, it is kept. */
export async function signIn(token) {
  const overview = await get("admin/overview", { bearer: token });
  keepToken(token);
  known = overview;
}

export function forget() {
  forgetToken();
  known = null;
}

/** The overview as it is now. */
export async function look(signal) {
  known = await get("admin/overview", { signal });
  return known;
}

/** The overview as it was last seen, or null. */
export function overview() {
  return known;
}

/** A page of what the last complete check found; null when there was none yet that kept it. */
export async function lastFindings(query, signal) {
  if (!(await look(signal)).lastComplete) return null;
  try {
    return await get("admin/scans/last/findings", { query, signal });
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

/** May the token change anything? A server that does not say is asked at the time. */
export function mayMend() {
  return (known?.role ?? "admin") === "admin";
}
