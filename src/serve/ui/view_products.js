// SPDX-License-Identifier: GPL-3.0-or-later
// All products, however many: a page at a time, with what differs in each.

import { get } from "./api.js";
import { h, link, newId } from "./dom.js";
import { count, none } from "./format.js";
import { PAGE, empty, pager, queryWith, searchForm, table } from "./list.js";
import { text } from "./text.js";

const words = text.products;
const kinds = ["orphaned", "missing", "stale", "moved", "misfiled", "misplaced", "pending"];

/** Differences that somebody should look at; moved and misplaced ones are among the orphaned. */
const sum = (product) => product.orphaned + product.missing + product.stale + product.misfiled;
const address = (product) => link(`product/${encodeURIComponent(product.productId)}`);

function sortField(context, sort) {
  const id = newId("sort");
  const select = h(
    "select",
    {
      id,
      class: "select",
      test: "sort",
      onchange: () => (location.hash = link("products", queryWith(context, { sort: select.value }))),
    },
    Object.entries(words.sorts).map(([value, label]) => h("option", { value, selected: value === sort }, label)),
  );
  return h("div", { class: "search" }, h("label", { for: id }, words.sort), select);
}

function figure(n) {
  return n > 0 ? h("strong", null, count(n)) : h("span", { class: "quiet" }, count(n));
}

/** A head that orders the table, the other way when it does so already. */
function sortHead(context, field, sort, orders) {
  const next = orders[(orders.indexOf(sort) + 1) % orders.length];
  const arrow = sort === field ? " ▲" : sort === `-${field}` ? " ▼" : "";
  return h(
    "a",
    { class: "sort", href: link("products", queryWith(context, { sort: next })), test: `sort-${field}` },
    words.columns[field],
    arrow && h("span", { "aria-hidden": "true" }, arrow),
  );
}

function sumBadge(n) {
  return h("span", { class: `badge ${n ? "badge-warn" : "badge-good"}` }, count(n));
}

function columns(context, sort, known) {
  const name = {
    label: sortHead(context, "product", sort, ["product", "-product"]),
    kind: "key",
    head: true,
    sort: sort === "product" ? "ascending" : sort === "-product" ? "descending" : null,
    cell: (product) => h("a", { href: address(product), test: "product-link" }, product.productId),
  };
  const plain = (field) => ({ label: words.columns[field], kind: "number", cell: (product) => count(product[field]) });
  const found = (field) => ({
    label: words.columns[field],
    kind: "number",
    cell: (product) => (known ? figure(product[field]) : none),
  });
  const problems = {
    label: sortHead(context, "problems", sort, ["-problems"]),
    kind: "number",
    sort: sort === "-problems" ? "descending" : null,
    cell: (product) => (known ? sumBadge(sum(product)) : none),
  };
  return [name, problems, plain("variants"), plain("images"), ...kinds.map(found)];
}

export const products = {
  title: () => words.heading,
  async render(context) {
    const search = context.query.get("search") ?? "";
    const sort = words.sorts[context.query.get("sort")] ? context.query.get("sort") : "product";
    const query = { search, sort, after: context.query.get("after"), limit: PAGE };
    const page = await get("admin/products/table", { query, signal: context.signal });
    const known = page.scan !== null;
    const nothing = search ? empty(words.noneFound(search), words.noneFoundHelp) : empty(words.none, words.noneHelp);
    return [
      h("div", { class: "tools" }, searchForm(context, "search", words.search, ""), sortField(context, sort)),
      !known && h("p", { class: "note" }, words.noScan),
      page.products.length
        ? table(words.caption, columns(context, sort, known), page.products, (product) => ({
            test: "product-row",
            "data-key": product.productId,
            "data-product": product.productId,
            onclick: (event) => {
              if (!event.target.closest("a")) location.hash = address(product);
            },
          }))
        : nothing,
      pager(context, "after", page.next),
    ].filter(Boolean);
  },
};
