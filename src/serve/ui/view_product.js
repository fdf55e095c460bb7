// SPDX-License-Identifier: GPL-3.0-or-later
// One product: its variants, what differs in it, its images.

import { get, productPath } from "./api.js";
import { checkProduct, findingsOf } from "./check.js";
import { actionButton, h, link } from "./dom.js";
import { findingList } from "./finding_list.js";
import { size, time } from "./format.js";
import { PAGE, empty, pager, table } from "./list.js";
import { lastFindings, mayMend } from "./session.js";
import { syncDialog } from "./sync.js";
import { text } from "./text.js";
import { thumb } from "./thumb.js";

const words = text.product;
const FINDINGS_MOST = 200;

/** null instead of an error that says "there is none". */
async function orNull(promise) {
  try {
    return await promise;
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

/** What the last complete check found of this product: {scan, findings}; findings of others may share the prefix. */
async function loadFindings(id, images, signal) {
  const key = images?.images[0]?.key ?? `products/${id}/`;
  const at = key.indexOf(`/${id}/`);
  const prefix = at < 0 ? `products/${id}/` : key.slice(0, at + id.length + 2);
  const page = await lastFindings({ prefix, limit: FINDINGS_MOST }, signal);
  return page && { scan: page.scan, findings: page.findings.filter((finding) => finding.productId === id) };
}

function variantTable(variants) {
  const columns = [
    { label: words.variantColumns.weight, kind: "key", head: true, cell: (variant) => variant.weight },
    {
      label: words.variantColumns.active,
      cell: (variant) =>
        h("span", { class: `badge ${variant.isActive ? "badge-good" : ""}` }, variant.isActive ? text.yes : text.no),
    },
    { label: words.variantColumns.updated, kind: "when", cell: (variant) => time(variant.updatedAt) },
  ];
  return table(words.variantsCaption, columns, variants, (variant) => ({
    test: "variant-row",
    "data-key": variant.weight,
  }));
}

function imageCard(image, found, signal) {
  const finding = found.get(image.key);
  const name = image.fileName ?? image.key;
  const word = finding?.moved ? "moved" : finding?.kind;
  return h(
    "li",
    { class: "image-card", test: "product-image", "data-key": image.key },
    thumb(image.key, { there: finding?.kind !== "missing", size: image.size, signal }),
    h("p", { class: "key" }, name),
    h("p", { class: "quiet small" }, [image.weight, image.type, size(image.size)].filter(Boolean).join(" · ")),
    words.mark[word] && h("p", { class: "badge badge-bad" }, words.mark[word]),
  );
}

function header(context, id) {
  context.head.append(
    h(
      "div",
      { class: "actions" },
      actionButton(words.check, { class: "button button-primary", test: "product-check" }, async () => {
        const lists = await checkProduct(id);
        if (lists) fresh.set(id, { scan: `fresh ${++checks}`, findings: findingsOf(lists) });
        context.refresh();
      }),
      mayMend() &&
        actionButton(words.sync, { test: "product-sync" }, () =>
          syncDialog(id, () => {
            fresh.delete(id);
            context.refresh();
          }),
        ),
    ),
  );
}

const fresh = new Map(); // product → what a check in this tab found, newer than the last complete check
let checks = 0;

export const product = {
  section: "products",
  title: ([id]) => words.heading(id),
  async render(context) {
    const [id] = context.args;
    const signal = context.signal;
    const [variants, images] = await Promise.all([
      orNull(get(`${productPath(id)}/variants`, { signal })),
      orNull(get(`${productPath(id)}/images`, { query: { after: context.query.get("after"), limit: PAGE }, signal })),
    ]);
    const last = fresh.get(id) ?? (await loadFindings(id, images, signal));
    const findings = last?.findings ?? [];
    const found = new Map(findings.map((finding) => [finding.key, finding]));
    header(context, id);
    return [
      h("p", null, h("a", { href: link("products") }, words.crumb)),
      !variants && empty(words.unknown, words.unknownHelp),
      h(
        "section",
        { class: "stack", test: "product-findings" },
        h("h2", null, words.findings),
        findings.length ? findingList(findings, last.scan, context) : h("p", { class: "quiet" }, words.findingsNone),
      ),
      variants &&
        h(
          "section",
          { class: "stack" },
          h("h2", null, words.variants),
          variants.variants.length ? variantTable(variants.variants) : h("p", { class: "quiet" }, words.noVariants),
        ),
      images &&
        h(
          "section",
          { class: "stack", test: "product-images" },
          h("h2", null, words.images),
          images.images.length
            ? h(
                "ul",
                { class: "images" },
                images.images.map((image) => imageCard(image, found, signal)),
              )
            : empty(words.noImages, words.noImagesHelp),
        ),
      images && pager(context, "after", images.next),
    ].filter(Boolean);
  },
};
