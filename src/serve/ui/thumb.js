// SPDX-License-Identifier: GPL-3.0-or-later
// Small pictures of objects. The bytes need the token, so they are fetched and shown from a blob; only once they are
// near the screen, few at a time, and only what a browser shows as a picture.

import { getBlob } from "./api.js";
import { h } from "./dom.js";
import { text } from "./text.js";

const PICTURE = /\.(jpe?g|png|gif|webp|avif)$/i;
const AT_ONCE = 4;
const MOST_BYTES = 25000000;

const waiting = [];
let running = 0;

async function load({ key, place, image, signal }) {
  try {
    const blob = await getBlob("admin/objects", { query: { key }, signal });
    if (!blob.type.startsWith("image/")) throw new Error(blob.type);
    const url = URL.createObjectURL(blob);
    image.addEventListener("load", () => URL.revokeObjectURL(url), { once: true });
    image.addEventListener(
      "error",
      () => {
        URL.revokeObjectURL(url);
        place.replaceChildren(noPicture(text.findings.pictureFailed));
      },
      { once: true },
    );
    image.src = url;
    place.replaceChildren(image);
  } catch (error) {
    if (error.name !== "AbortError") place.replaceChildren(noPicture(text.findings.pictureFailed));
  }
}

function pump() {
  while (running < AT_ONCE && waiting.length) {
    const next = waiting.shift();
    if (next.signal.aborted) continue;
    running++;
    load(next).finally(() => {
      running--;
      pump();
    });
  }
}

const wanted = new WeakMap();
const observer = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      observer.unobserve(entry.target);
      waiting.push(wanted.get(entry.target));
    }
    pump();
  },
  { rootMargin: "200px" },
);

function noPicture(why) {
  return h("span", { class: "thumb-none", test: "thumb-none" }, why);
}

/** A place for an object's picture. there: is there an object at all? */
export function thumb(key, { there, size, signal }) {
  const name = key.slice(key.lastIndexOf("/") + 1);
  const place = h("div", { class: "thumb" });
  if (!there || !PICTURE.test(name) || size > MOST_BYTES) {
    place.append(noPicture(there ? text.findings.noPicture : text.findings.noFile));
    return place;
  }
  const image = h("img", { alt: text.findings.pictureOf(name), decoding: "async", test: "thumb" });
  wanted.set(place, { key, place, image, signal });
  observer.observe(place);
  signal.addEventListener("abort", () => observer.unobserve(place), { once: true });
  return place;
}
