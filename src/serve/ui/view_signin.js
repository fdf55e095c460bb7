// SPDX-License-Identifier: GPL-3.0-or-later
// Sign-in: a token, tried before it is kept.

import { busyWhile, h, newId } from "./dom.js";
import { signIn } from "./session.js";
import { text } from "./text.js";

function explain(error) {
  if (error.status === 401) return text.session.wrong;
  if (error.status === 403) return text.session.mayNot(/role (\w+)/.exec(error.message)?.[1] ?? "");
  return error.message;
}

/** why: what to say at once, or "". done: called when a token was taken. */
export function signInPage(why, done) {
  const field = newId("token");
  const errorId = newId("error");
  const input = h("input", {
    id: field,
    class: "input",
    type: "password",
    autocomplete: "off",
    spellcheck: "false",
    autocapitalize: "off",
    required: true,
    "aria-describedby": errorId,
    test: "sign-in-token",
  });
  const error = h("p", { id: errorId, class: "field-error", role: "alert", test: "sign-in-error" }, why);
  const submit = h(
    "button",
    { type: "submit", class: "button button-primary button-wide", test: "sign-in" },
    text.session.button,
  );
  const form = h(
    "form",
    { class: "sign-in-card", novalidate: true, test: "sign-in-form" },
    h("img", { src: "ui/icon.svg", alt: "", width: 48, height: 48 }),
    h("h1", { tabindex: "-1", test: "title" }, text.session.heading),
    h("p", { class: "quiet" }, text.tagline),
    h("label", { for: field }, text.session.token),
    input,
    error,
    submit,
    h("p", { class: "quiet small" }, text.session.explain),
    h("p", { class: "quiet small" }, text.session.help, " ", h("code", null, text.session.command)),
  );
  form.addEventListener(
    "submit",
    busyWhile(submit, async () => {
      const value = input.value.trim();
      error.replaceChildren();
      input.removeAttribute("aria-invalid");
      try {
        if (!/^[\x21-\x7e]+$/.test(value)) throw new Error(value ? text.session.wrong : text.session.empty);
        await signIn(value);
      } catch (refused) {
        input.setAttribute("aria-invalid", "true");
        error.textContent = explain(refused);
        input.focus();
        return;
      }
      done();
    }),
  );
  return { node: h("main", { class: "sign-in", id: "main" }, form), input };
}
