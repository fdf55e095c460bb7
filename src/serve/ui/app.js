// SPDX-License-Identifier: GPL-3.0-or-later
// The frame: sign-in or navigation, and the view that the address names.

import { alertRegion, clearAlerts, say } from "./alerts.js";
import { onRefused, token } from "./api.js";
import { button, findAgain, h, link } from "./dom.js";
import { adoptRunning, jobRegion, leaveJobs } from "./jobs.js";
import * as session from "./session.js";
import { text } from "./text.js";
import { views } from "./views.js";
import { signInPage } from "./view_signin.js";

const app = document.getElementById("app");
const sections = ["overview", "products", "findings", "trash", "history", "audit", "events", "journal"];

let main = null;
let leaving = null; // ends what the shown view still waits for
let links = new Map();

// ---- the address ----

/** {name, arguments, query} of "#/product/p1?after=x". */
function address() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/");
  const decode = (part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  };
  return { name: name || "overview", args: rest.map(decode), query: new URLSearchParams(query ?? "") };
}

// ---- a view ----

function stateBox(kind, heading, help, action) {
  return h(
    "div",
    { class: "state-box", test: kind, role: kind === "error" ? "alert" : null },
    h("h2", null, heading),
    help && h("p", null, help),
    action,
  );
}

function errorBox(error, again) {
  return stateBox("error", text.errors.heading, error.message, button(text.retry, { test: "retry", onclick: again }));
}

function mark(name) {
  for (const [section, anchor] of links)
    if (section !== name) {
      anchor.removeAttribute("aria-current");
    } else {
      anchor.setAttribute("aria-current", "page");
      anchor.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
}

/**
 * Show what the address names. how: "load": the page has just come, and the focus is at its start; "go": the visitor has
 * come here, so the heading is where reading goes on; "again": the view is made anew, what was shown stays until that is
 * done, and so does the focus.
 */
async function show(how) {
  const at = address();
  const view = views[at.name];
  leaving?.abort();
  const leave = (leaving = new AbortController());
  const heading = h("h1", { tabindex: "-1", test: "title" }, view ? view.title(at.args) : text.errors.page);
  document.title = text.title(heading.textContent);
  mark(view?.section ?? at.name);
  const body = h("div", { class: "view" }, h("p", { class: "loading", role: "status", test: "loading" }, text.loading));
  const head = h("div", { class: "view-head" }, heading);
  main.setAttribute("aria-busy", "true");
  if (how !== "again") {
    main.replaceChildren(head, body);
    scrollTo(0, 0);
  }
  if (how === "go") heading.focus({ preventScroll: true });
  const context = {
    ...at,
    signal: leave.signal,
    head,
    refresh: () => {
      if (!leave.signal.aborted) show("again");
    },
  };
  try {
    const shown = view ? await view.render(context) : stateBox("error", text.errors.page, text.errors.pageHelp);
    if (!leave.signal.aborted) body.replaceChildren(...[shown].flat());
  } catch (error) {
    if (!leave.signal.aborted && error.name !== "AbortError") body.replaceChildren(errorBox(error, () => show("go")));
  }
  if (leave.signal.aborted) return;
  main.removeAttribute("aria-busy");
  if (how !== "again") return;
  const before = document.activeElement;
  const seen = main.contains(before);
  main.replaceChildren(head, body);
  if (seen) findAgain(before, main)?.focus({ preventScroll: true });
}

// ---- signed in and out ----

function navigation() {
  links = new Map(sections.map((name) => [name, h("a", { href: link(name), test: `nav-${name}` }, text.nav[name])]));
  return h(
    "nav",
    { class: "nav", "aria-label": text.nav.label, test: "nav" },
    h(
      "ul",
      null,
      [...links.values()].map((anchor) => h("li", null, anchor)),
    ),
  );
}

function enter(how) {
  const role = session.overview()?.role;
  main = h("main", { id: "main", tabindex: "-1", test: "main" });
  app.replaceChildren(
    h(
      "a",
      {
        class: "skip",
        href: "#main",
        test: "skip",
        onclick: (event) => {
          event.preventDefault(); // the hash is the router's
          main.focus();
        },
      },
      text.skip,
    ),
    h(
      "header",
      { class: "bar" },
      h(
        "a",
        { class: "brand", href: link("overview") },
        h("img", { src: "ui/icon.svg", alt: "", width: 28, height: 28 }),
        h("span", { class: "brand-word" }, text.name),
      ),
      role && h("span", { class: "badge", test: "role" }, text.session.role[role] ?? role),
      button(text.session.signOut, { class: "button button-quiet", test: "sign-out", onclick: () => leave("") }),
    ),
    h("div", { class: "frame" }, navigation(), h("div", { class: "column" }, jobRegion(), alertRegion(), main)),
  );
  show(how);
  adoptRunning(() => show("again"));
}

function leave(why) {
  leaving?.abort();
  session.forget();
  leaveJobs();
  clearAlerts();
  main = null;
  for (const dialog of document.querySelectorAll("dialog")) dialog.remove();
  document.title = text.title(text.session.heading);
  const page = signInPage(why, () => enter("go"));
  app.replaceChildren(page.node);
  page.input.focus();
}

async function start() {
  onRefused(() => {
    if (main) leave(text.session.ended);
  });
  addEventListener("hashchange", () => {
    if (main) show("go");
  });
  addEventListener("unhandledrejection", (event) => {
    if (main && event.reason?.name !== "AbortError")
      say("bad", text.errors.crash(event.reason?.message ?? event.reason));
  });
  if (!token()) {
    leave("");
    return;
  }
  try {
    await session.look();
    enter("load");
  } catch (error) {
    if (error.status === 401) leave(text.session.ended);
    else if (error.status === 403) leave(error.message);
    else
      app.replaceChildren(
        h(
          "main",
          { class: "sign-in" },
          h("h1", null, text.name),
          errorBox(error, () => location.reload()),
        ),
      );
  }
}

start();
