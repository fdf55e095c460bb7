# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of products and the page of one, also of a shop with 100,000."""

import pytest
from harness.images import png, seed
from playwright.sync_api import expect

BOTH_CATALOGS = pytest.mark.pairs("file", "postgres")
ONE = pytest.mark.pairs("file")
MANY = 100_000
NUMBERS = f"with recursive n (i) as (select 1 union all select i + 1 from n where i < {MANY})"


def products(dashboard) -> list[str]:
    return dashboard.keys("product-row")


def search(dashboard, text: str, *found: str) -> None:
    dashboard("search").fill(text)
    dashboard("search").press("Enter")
    dashboard.until(lambda: products(dashboard) == list(found), f"{text!r} finds {found}")


@pytest.fixture
def large(lockstep):
    """100,000 products with a weight each, by SQL; drift in two of them."""
    lockstep.oracle.execute(f"{NUMBERS} insert into product (id) select 'item-' || (100000 + i) from n")
    lockstep.oracle.execute("insert into product_variant (product_id, weight) select id, '1kg' from product")
    keys = seed(lockstep, ("item-150000", "1kg", 3), ("item-199999", "1kg", 3))
    lockstep.backend.put("products/item-199999/1kg/hero-card/orphan.png", png("orphan"))
    lockstep.backend.put("products/item-199999/1kg/hero-card/other.png", png("other"))
    lockstep.backend.delete(keys[0])
    lockstep.run("scan", "--grace=0s", check=1)
    return lockstep


@BOTH_CATALOGS
def test_a_hundred_thousand_products_are_paged_searched_and_sorted(large, dashboard):
    asked = []
    dashboard.page.on("request", lambda request: asked.append(request.url) if "/products" in request.url else None)
    dashboard.go("products")
    expect(dashboard("product-row").first).to_be_visible()
    assert len(asked) == 1, "a page needs one request"
    ids = [row[0] for row in large.oracle.query("select id from product order by id limit 300")]
    page = products(dashboard)
    assert 10 <= len(page) <= 200 and page == ids[: len(page)]
    dashboard("next-page").click()
    dashboard.until(lambda: products(dashboard) == ids[len(page) : 2 * len(page)], "the second page follows the first")
    assert len(asked) == 2
    dashboard("first-page").click()
    dashboard.until(lambda: products(dashboard) == page, "and the first is before it")

    search(dashboard, "m-15000", *[f"item-15000{n}" for n in range(10)])
    assert len(asked) == 4
    search(dashboard, "no such product")
    expect(dashboard("empty")).to_be_visible()
    dashboard("search").fill("")
    dashboard("search").press("Enter")
    dashboard.until(lambda: products(dashboard) == page, "everything is back")

    dashboard("sort").select_option("-problems")
    dashboard.until(lambda: products(dashboard)[:2] == ["item-199999", "item-150000"], "those with problems come first")
    expect(dashboard.row("product-row", "item-199999")).to_contain_text("2")
    dashboard("sort").select_option("-product")
    last = [row[0] for row in large.oracle.query("select id from product order by id desc limit 300")]
    dashboard.until(lambda: products(dashboard) == last[: len(page)], "by name, backwards")


@BOTH_CATALOGS
def test_a_products_page_shows_its_images_and_mends_it_alone(lockstep, dashboard, scanned):
    dashboard.go("products")
    dashboard.until(lambda: products(dashboard) == sorted(lockstep.oracle.products()) == ["p1", "p2"], "both products")
    dashboard.row("product-row", "p1").get_by_test_id("product-link").click()
    expect(dashboard("title")).to_contain_text("p1")
    rows = [key for key, row in lockstep.oracle.rows().items() if row.product_id == "p1"]
    dashboard.until(lambda: sorted(dashboard.keys("product-image")) == sorted(rows), "all its images")
    assert dashboard("variant-row").count() == 1
    card = dashboard.row("product-image", scanned.keys[1])
    card.scroll_into_view_if_needed()
    picture = card.locator("img")
    dashboard.until(lambda: picture.evaluate("(image) => image.naturalWidth") > 0, "with their pictures")

    dashboard("product-check").click()
    expect(dashboard("product-findings")).to_contain_text("orphan.png")
    dashboard("product-sync").click()
    dashboard("dialog-recreate-missing").check()
    dashboard("dialog-preview").click()
    expect(dashboard("dialog-plan")).to_contain_text(scanned.orphan)
    dashboard.confirm()
    dashboard.alert()
    rows = lockstep.oracle.rows()
    assert {scanned.orphan, scanned.moved_to} <= set(rows)
    assert scanned.lost in rows, "p2 was not asked for"


@ONE
def test_a_product_that_is_not_there_is_an_error_that_says_so(browse):
    dashboard = browse().sign_in()
    dashboard.page.goto("/#/product/nowhere")
    expect(dashboard("title")).to_contain_text("nowhere")
    expect(dashboard("empty").first).to_contain_text("does not know")


@ONE
def test_an_address_leads_to_the_same_view_and_back_works(lockstep, dashboard, scanned):
    dashboard.go("products")
    dashboard.row("product-row", "p2").get_by_test_id("product-link").click()
    expect(dashboard("title")).to_contain_text("p2")
    dashboard.page.reload()
    expect(dashboard("title")).to_contain_text("p2")
    dashboard.page.go_back()
    dashboard.until(lambda: products(dashboard) == ["p1", "p2"], "the table is back")
