// SPDX-License-Identifier: GPL-3.0-or-later
// Dialogs: the browser's own <dialog>, so that focus is kept inside, Escape closes it, and focus goes back afterwards.

import { actionButton, button, findAgain, h, newId } from "./dom.js";
import { text } from "./text.js";

const NAMED_MOST = 10;

/**
 * Open a dialog. `closed` is a promise of what close(value) was given (undefined = cancelled). setBody and setButtons
 * change what is shown; fail shows an error; `signal` ends with the dialog.
 */
export function openDialog(title) {
  const titleId = newId("dialog");
  const before = document.activeElement;
  const ending = new AbortController();
  const heading = h("h2", { id: titleId, tabindex: "-1", test: "dialog-title" }, title);
  const body = h("div", { class: "dialog-body" });
  const error = h("p", { class: "field-error", role: "alert", test: "dialog-error" });
  const buttons = h("div", { class: "dialog-buttons" });
  const node = h(
    "dialog",
    { class: "dialog", "aria-labelledby": titleId, test: "dialog" },
    heading,
    body,
    error,
    buttons,
  );
  let value;
  const closed = new Promise((resolve) => {
    node.addEventListener("close", () => {
      ending.abort();
      node.remove();
      const main = document.getElementById("main");
      (before.isConnected || !main ? before : (findAgain(before, main) ?? main)).focus();
      resolve(value);
    });
  });
  const dialog = {
    node,
    closed,
    signal: ending.signal,
    close(result) {
      value = result;
      node.close();
    },
    setBody: (...children) => {
      error.replaceChildren();
      body.replaceChildren(...children.flat().filter(Boolean));
    },
    setButtons: (...children) => buttons.replaceChildren(...children.flat().filter(Boolean)),
    fail: (why) => (error.textContent = why),
    focusTitle: () => heading.focus(),
  };
  document.body.append(node);
  node.showModal();
  heading.focus();
  return dialog;
}

export function cancelButton(dialog) {
  return button(text.cancel, { test: "dialog-cancel", onclick: () => dialog.close() });
}

/** The first names of a list, and how many more there are. */
export function namedItems(names, total = names.length) {
  const shown = names.slice(0, NAMED_MOST);
  return h(
    "ul",
    { class: "keys", test: "dialog-items" },
    shown.map((name) => h("li", null, name)),
    total > shown.length && h("li", { class: "quiet" }, text.mend.more(total - shown.length)),
  );
}

/** A field that must hold exactly this number before `confirm` does anything. */
export function typedCount(n, confirm) {
  const id = newId("typed");
  const input = h("input", {
    id,
    class: "input input-short",
    inputmode: "numeric",
    autocomplete: "off",
    test: "dialog-typed",
  });
  const fits = () => input.value.trim() === String(n);
  const update = () => confirm.toggleAttribute("disabled", !fits());
  input.addEventListener("input", update);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && fits()) confirm.click();
  });
  update();
  return h("p", { class: "typed" }, h("label", { for: id }, text.sync.guardType(n)), input);
}

/** Ask before something is done to named items. wording: {title(n), help, confirm, danger}. True when it was confirmed. */
export async function confirmItems(wording, names) {
  const dialog = openDialog(wording.title(names.length));
  const confirm = actionButton(
    wording.confirm,
    { class: `button ${wording.danger ? "button-danger" : "button-primary"}`, test: "dialog-confirm" },
    () => dialog.close(true),
  );
  dialog.setBody(h("p", null, wording.help), namedItems(names));
  dialog.setButtons(cancelButton(dialog), confirm);
  return (await dialog.closed) === true;
}
