# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that is called like markup stays text wherever it is named: nothing runs and no element comes of it."""

import pytest
from harness.images import png, seed
from playwright.sync_api import expect

pytestmark = pytest.mark.pairs("file", "postgres")

NAME = "<img src=x onerror=alert(1)>.jpg"
ORPHAN = f"products/p1/500ml/hero-card/{NAME}"
# A "/" cannot be in a name, so the element that a careless page would make of it is an unclosed one.
ROW = "products/<b id=made>p2&amp;\"'/1kg/info-card/<svg onload=alert(2)>.jpg"


def stays_text(dashboard, *texts: str) -> None:
    page = dashboard.page
    for text in texts:
        expect(page.get_by_text(text).first).to_be_visible()
    assert page.locator("img[src='x'], #made, [onerror], [onload]").count() == 0


def test_a_file_named_like_markup_stays_text_in_every_view(lockstep, dashboard):
    seed(lockstep, ("p1", "500ml", 2))
    lockstep.backend.put(ROW, png("row"))
    lockstep.run("import")
    lockstep.backend.put(ORPHAN, png("orphan", 16))
    dashboard("check").click()
    dashboard.alert()
    dashboard.go("findings")
    stays_text(dashboard, NAME)
    row = dashboard.row("findings-row", ORPHAN)
    dashboard.until(lambda: row.locator("img").evaluate("(image) => image.naturalWidth") == 16, "its thumbnail")
    row.get_by_test_id("remove").click()
    expect(dashboard("dialog")).to_contain_text(NAME)
    stays_text(dashboard)
    dashboard("dialog-confirm").click()
    dashboard.alert()
    stays_text(dashboard)
    assert ORPHAN not in lockstep.oracle.objects()

    dashboard.go("trash")
    stays_text(dashboard, NAME)
    dashboard.go("audit")
    stays_text(dashboard, NAME)
    dashboard.go("products")
    stays_text(dashboard, "<b id=made>p2&amp;\"'")
    dashboard("product-row").filter(has_text="made").get_by_test_id("product-link").click()
    expect(dashboard("title")).to_contain_text("<b id=made>p2&amp;\"'")
    stays_text(dashboard, "<svg onload=alert(2)>.jpg")
    dashboard.go("products")
    dashboard("search").fill("<b id=made>")
    dashboard("search").press("Enter")
    expect(dashboard("product-row")).to_have_count(1)
    stays_text(dashboard)

    dashboard.go("trash")
    dashboard("trash-row").get_by_test_id("restore").click()
    dashboard.confirm(NAME)
    dashboard.alert()
    stays_text(dashboard)
    assert lockstep.backend.get(ORPHAN) == png("orphan", 16)


def test_an_error_that_quotes_the_name_stays_text(lockstep, dashboard):
    seed(lockstep, ("p1", "500ml", 2))
    lockstep.backend.put(ORPHAN, png("orphan"))
    lockstep.run("scan", "--grace=0s", check=1)
    dashboard.go("findings")
    expect(dashboard.row("findings-row", ORPHAN)).to_be_visible()
    lockstep.backend.delete(ORPHAN)
    dashboard.row("findings-row", ORPHAN).get_by_test_id("adopt").click()
    dashboard.confirm()
    dashboard.alert(NAME, kind="warn")
    stays_text(dashboard)
    dashboard.page.goto("/#/product/%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E")
    expect(dashboard("empty").first).to_be_visible()
    stays_text(dashboard)
