// SPDX-License-Identifier: GPL-3.0-or-later
// Requests to the server, with the token that the tab keeps. Addresses are relative, so a proxy may put a path in front.

import { text } from "./text.js";

const TOKEN = "lockstep-token";

/** What the server, or the way to it, has refused. status 0: there was no answer. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? text.errors.status(status));
    this.name = "ApiError";
    this.status = status;
    this.problem = problem;
  }
}

let whenRefused = () => {};

/** Called when the server does not take the token any more. */
export function onRefused(call) {
  whenRefused = call;
}

export function token() {
  return sessionStorage.getItem(TOKEN) ?? "";
}

export function keepToken(value) {
  sessionStorage.setItem(TOKEN, value);
}

export function forgetToken() {
  sessionStorage.removeItem(TOKEN);
}

function queryOf(query) {
  const used = Object.entries(query ?? {}).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return used.length ? `?${new URLSearchParams(used)}` : "";
}

async function send(method, path, { query, body, signal, bearer } = {}) {
  const headers = new Headers({ Authorization: `Bearer ${bearer ?? token()}` });
  if (body !== undefined) headers.set("Content-Type", "application/json");
  const options = { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) };
  let response;
  try {
    response = await fetch(path + queryOf(query), { ...options, cache: "no-store", redirect: "error" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { detail: text.errors.unreachable });
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  if (response.status === 401 && bearer === undefined) whenRefused();
  throw new ApiError(response.status, problem);
}

async function sendForJson(method, path, options) {
  const response = await send(method, path, options);
  if (response.status === 204) return null;
  try {
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { detail: text.errors.cutOff });
  }
}

/** options: query (an object), signal, and bearer to try a token that is not kept. */
export function get(path, options) {
  return sendForJson("GET", path, options);
}

export function post(path, body, options) {
  return sendForJson("POST", path, { ...options, body });
}

export async function getBlob(path, options) {
  return (await send("GET", path, options)).blob();
}

/** A segment of a path. */
export function segment(name) {
  return encodeURIComponent(name);
}

export function productPath(id) {
  return `admin/products/${segment(id)}`;
}

/** The events of a job, as {name, data}, until the stream ends or breaks off. */
export async function* jobEvents(id, signal) {
  const response = await send("GET", `admin/jobs/${segment(id)}/events`, { signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    waiting += value;
    const events = waiting.split("\n\n");
    waiting = events.pop();
    for (const event of events) {
      const name = /^event: (.*)$/m.exec(event)?.[1];
      const data = /^data: (.*)$/m.exec(event)?.[1];
      if (name && data) yield { name, data: JSON.parse(data) };
    }
  }
}

const RESULTS = ',"results":[';

/** What a job of everything says before its list of products, which may be long: that is not read. */
export async function jobSummary(id) {
  const response = await send("GET", `admin/jobs/${segment(id)}/result`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let head = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return JSON.parse(head);
    const from = Math.max(0, head.length - RESULTS.length);
    head += value;
    const at = head.indexOf(RESULTS, from); // within a string the quotes would be escaped
    if (at < 0) continue;
    reader.cancel().catch(() => {});
    return JSON.parse(`${head.slice(0, at)}}`);
  }
}
