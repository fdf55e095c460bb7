// SPDX-License-Identifier: GPL-3.0-or-later
// Elements from data. Text only ever becomes a text node, so whatever a file is called stays text.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name === "test") element.setAttribute("data-test", value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

/** An element. Attributes: null and false are left out, `onclick` and the like are listeners, `test` is data-test. */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

let ids = 0;

/** An id that no other element has. */
export function newId(word) {
  return `${word}-${++ids}`;
}

export function button(label, attributes, ...more) {
  return h("button", { type: "button", class: "button", ...attributes }, label, ...more);
}

/** Run a button's action; it cannot be pressed again meanwhile. */
export function busyWhile(element, action) {
  return async (event) => {
    event?.preventDefault();
    if (element.getAttribute("aria-disabled") === "true") return;
    element.setAttribute("aria-disabled", "true");
    try {
      await action(event);
    } finally {
      element.removeAttribute("aria-disabled");
    }
  };
}

/** A button whose action may take a while. */
export function actionButton(label, attributes, action) {
  const element = button(label, attributes);
  element.addEventListener("click", busyWhile(element, action));
  return element;
}

/** An address within the dashboard: #/findings?kind=orphaned */
export function link(path, query) {
  const pairs = Object.entries(query ?? {}).filter(
    ([, value]) => value !== "" && value !== null && value !== undefined,
  );
  const tail = pairs.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join("&");
  return `#/${path}${tail ? `?${tail}` : ""}`;
}

/** What stands for an element in a view that was made anew: its equal, at least its row, or the heading. */
export function findAgain(element, root) {
  const test = element.getAttribute("data-test");
  const key = element.closest("[data-key]")?.getAttribute("data-key");
  const own = `[data-test="${CSS.escape(test ?? "")}"]`;
  const row = `[data-key="${CSS.escape(key ?? "")}"]`;
  const selectors = key ? [`${row} ${own}`, `${row}[tabindex]`, "h1"] : [own, "h1"];
  return selectors.map((selector) => root.querySelector(selector)).find(Boolean);
}
