// SPDX-License-Identifier: GPL-3.0-or-later
// What lists have in common: tables that scroll in their own box, a field to search by, pages.

import { h, link, newId } from "./dom.js";
import { text } from "./text.js";

export const PAGE = 50;

/** columns: [{label, cell(item), kind ("number", "key", "wide")}]. row(item): a row's attributes. */
export function table(caption, columns, items, row) {
  return h(
    "div",
    { class: "table-box", role: "region", "aria-label": caption, tabindex: "0" },
    h(
      "table",
      null,
      h("caption", { class: "unseen" }, caption),
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          columns.map((column) =>
            h("th", { scope: "col", class: column.kind, "aria-sort": column.sort }, column.label),
          ),
        ),
      ),
      h(
        "tbody",
        null,
        items.map((item) =>
          h(
            "tr",
            row?.(item),
            columns.map((column, i) =>
              h(
                i === 0 && column.head ? "th" : "td",
                { class: column.kind, scope: i === 0 && column.head ? "row" : null },
                column.cell(item),
              ),
            ),
          ),
        ),
      ),
    ),
  );
}

/** A list without items: what that means, and what to do. */
export function empty(heading, help, action) {
  return h("div", { class: "state-box", test: "empty" }, h("h2", null, heading), help && h("p", null, help), action);
}

/** The query of the address as an object, with changes; pages begin anew. */
export function queryWith(context, changes) {
  const query = Object.fromEntries(context.query);
  delete query.after;
  delete query.before;
  return { ...query, ...changes };
}

/** A field whose value becomes `name` in the address. */
export function searchForm(context, name, label, placeholder) {
  const id = newId("search");
  const input = h("input", {
    id,
    class: "input",
    type: "search",
    value: context.query.get(name) ?? "",
    placeholder,
    autocomplete: "off",
    spellcheck: "false",
    test: "search",
  });
  return h(
    "form",
    {
      class: "search",
      role: "search",
      onsubmit: (event) => {
        event.preventDefault();
        location.hash = link(
          [context.name, ...context.args.map(encodeURIComponent)].join("/"),
          queryWith(context, { [name]: input.value }),
        );
      },
    },
    h("label", { for: id }, label),
    h(
      "div",
      { class: "search-line" },
      input,
      h("button", { type: "submit", class: "button", test: "search-go" }, text.list.go),
    ),
  );
}

const before = new Map(); // a page's address → that of the page from which it was reached

/** Links to other pages. name: the parameter that carries the place, "after" or "before". */
export function pager(context, name, next) {
  const path = [context.name, ...context.args.map(encodeURIComponent)].join("/");
  const here = location.hash || link(path);
  const first = context.query.get(name) !== null ? link(path, queryWith(context, {})) : null;
  const forth = next !== null && next !== undefined ? link(path, queryWith(context, { [name]: next })) : null;
  const back = before.get(here);
  if (!first && !forth) return null;
  return h(
    "nav",
    { class: "pager", "aria-label": text.list.pages },
    first && h("a", { class: "button", href: first, test: "first-page" }, text.list.first),
    first &&
      back &&
      back !== first &&
      h("a", { class: "button", href: back, test: "previous-page" }, text.list.previous),
    forth &&
      h(
        "a",
        { class: "button", href: forth, test: "next-page", onclick: () => before.set(forth, here) },
        text.list.next,
      ),
  );
}

/** Boxes that choose items of a page, and what is done with the chosen ones. buttons(chosen): for the selection's bar. */
export function selection(buttons) {
  const boxes = new Map();
  const bar = h("div", {
    class: "selection",
    test: "selection",
    role: "group",
    "aria-label": text.list.actions,
    hidden: true,
  });
  const all = h("input", { type: "checkbox", test: "select-all", "aria-label": text.list.selectAll });
  const chosen = () => [...boxes].filter(([, box]) => box.checked).map(([item]) => item);
  const update = () => {
    const items = chosen();
    all.checked = items.length > 0 && items.length === boxes.size;
    all.indeterminate = items.length > 0 && !all.checked;
    bar.hidden = items.length === 0;
    bar.replaceChildren(
      h("strong", { role: "status" }, text.list.selected(items.length)),
      ...buttons(items).filter(Boolean),
    );
  };
  all.addEventListener("change", () => {
    for (const box of boxes.values()) box.checked = all.checked;
    update();
  });
  return {
    bar,
    all,
    box(item, name) {
      const box = h("input", {
        type: "checkbox",
        test: "select",
        "aria-label": text.list.select(name),
        onchange: update,
      });
      boxes.set(item, box);
      return box;
    },
  };
}
