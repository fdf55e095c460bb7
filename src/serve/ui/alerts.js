// SPDX-License-Identifier: GPL-3.0-or-later
// What has just happened, above the page. Alerts stay until they are closed: nobody has to read fast.

import { actionButton, button, h } from "./dom.js";
import { text } from "./text.js";

const MOST = 10;
const region = h("div", { class: "alerts", role: "region", "aria-label": text.alerts.region, "aria-live": "polite" });

export function alertRegion() {
  return region;
}

export function clearAlerts() {
  region.replaceChildren();
}

/** Something new begins: what was said before goes, but for what still offers something. */
export function beginAlerts() {
  for (const alert of [...region.children]) if (!alert.hasAttribute("data-offers")) alert.remove();
}

/**
 * kind: "good", "bad", "warn" or "info". action: {label, test, run}; the alert goes when it has run. topic: an earlier
 * alert of the same topic goes.
 */
export function say(kind, message, { items, action, topic } = {}) {
  const alert = h("div", {
    class: `alert alert-${kind}`,
    role: kind === "bad" ? "alert" : null,
    test: "alert",
    "data-kind": kind,
    "data-topic": topic,
    "data-offers": Boolean(action),
  });
  const body = h("div", { class: "alert-body" }, h("p", null, message));
  if (items?.length)
    body.append(
      h(
        "ul",
        { class: "keys" },
        items.map((item) => h("li", null, item)),
      ),
    );
  const buttons = h("div", { class: "alert-buttons" });
  if (action)
    buttons.append(
      actionButton(action.label, { class: "button button-small", test: action.test }, async () => {
        await action.run();
        alert.remove();
      }),
    );
  const close = button(h("span", { "aria-hidden": "true" }, "×"), {
    class: "icon-button",
    "aria-label": text.alerts.close,
    test: "alert-close",
    onclick: () => {
      alert.remove();
      document.querySelector("main")?.focus();
    },
  });
  buttons.append(close);
  alert.append(body, buttons);
  if (topic) region.querySelector(`[data-topic="${topic}"]`)?.remove();
  region.prepend(alert);
  while (region.children.length > MOST) region.lastElementChild.remove();
  return alert;
}

export function sayError(error) {
  if (error?.name !== "AbortError") say("bad", error?.message ?? String(error));
}
