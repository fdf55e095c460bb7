# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at what a scan found and mending it, one by one or many at once; each outcome on both sides."""

import pytest
from harness.images import png, seed
from playwright.sync_api import expect

BOTH_CATALOGS = pytest.mark.pairs("file", "postgres")
ONE = pytest.mark.pairs("file")
FOLDER = "products/p1/500ml/hero-card"


def natural_width(image) -> int:
    return image.evaluate("(image) => image.complete ? image.naturalWidth : 0")


def finding(dashboard, key: str):
    """Its line in the list of findings."""
    row = dashboard.row("findings-row", key)
    expect(row).to_be_visible()
    return row


def act(dashboard, key: str, action: str) -> None:
    """Press its button and confirm; the dialog names the file. Its line says what was done and offers no more."""
    row = finding(dashboard, key)
    row.get_by_test_id(action).click()
    dashboard.confirm(key)
    dashboard.alert()
    expect(row.get_by_test_id("outcome")).to_be_visible()
    expect(row.get_by_role("button")).to_have_count(0)


@BOTH_CATALOGS
def test_orphans_are_looked_at_before_they_go(lockstep, dashboard, scanned):
    dashboard.go("findings")
    dashboard("kind-orphaned").click()
    image = finding(dashboard, scanned.orphan).locator("img")
    dashboard.until(lambda: natural_width(image) == 24, "the thumbnail is the picture itself")
    assert image.get_attribute("src").startswith("blob:")
    cut_off = "(image) => image.getBoundingClientRect().height - image.parentElement.getBoundingClientRect().height"
    assert image.evaluate(cut_off) < 1 and image.evaluate("(image) => getComputedStyle(image).objectFit") == "contain"
    stray = scanned.stray
    dashboard("kind-misplaced").click()
    image = finding(dashboard, stray).locator("img")
    dashboard.until(lambda: natural_width(image) == 8, "so is that of a file that fits no layout")


@ONE
def test_what_is_no_picture_is_not_fetched_as_one(lockstep, dashboard):
    seed(lockstep, ("p1", "500ml", 2))
    key = f"{FOLDER}/page.html"
    lockstep.backend.put(key, b"<script>alert(1)</script>")
    lockstep.run("scan", "--grace=0s", check=1)
    dashboard.go("findings")
    row = finding(dashboard, key)
    expect(row.locator("img[src^=blob]")).to_have_count(0)
    expect(row.get_by_test_id("adopt")).to_be_visible()


@ONE
def test_thumbnails_are_fetched_when_they_come_into_view_and_not_kept_as_addresses(lockstep, dashboard):
    seed(lockstep, ("p1", "500ml", 1))
    for n in range(48):
        lockstep.backend.put(f"{FOLDER}/orphan-{n:02}.png", png(n, 12))
    lockstep.run("scan", "--grace=0s", check=1)
    fetched = []
    dashboard.page.on(
        "request", lambda request: fetched.append(request.url) if "/admin/objects" in request.url else None
    )
    dashboard.go("findings")
    first, last = (finding(dashboard, f"{FOLDER}/orphan-{n}.png") for n in ("00", "47"))
    dashboard.until(lambda: natural_width(first.locator("img")) == 12, "the first is shown")
    assert not any("orphan-47" in url for url in fetched) and len(fetched) < 48
    last.scroll_into_view_if_needed()
    dashboard.until(lambda: natural_width(last.locator("img")) == 12, "the last is shown")
    address = first.locator("img").get_attribute("src")
    loads = """(address) => new Promise((tell) => {
        const image = new Image();
        image.onload = () => tell(true);
        image.onerror = () => tell(false);
        image.src = address;
    })"""
    assert not dashboard.page.evaluate(loads, address), "the address still holds the bytes"


@BOTH_CATALOGS
def test_an_orphan_is_adopted(lockstep, dashboard, scanned):
    dashboard.go("findings")
    act(dashboard, scanned.orphan, "adopt")
    row, stored = lockstep.oracle.rows()[scanned.orphan], lockstep.oracle.objects()[scanned.orphan]
    assert (row.etag, row.size, row.product_id, row.weight) == (stored.etag, stored.size, "p1", "500ml")


@BOTH_CATALOGS
def test_an_orphan_is_removed_and_had_back_by_undo(lockstep, dashboard, scanned):
    data = lockstep.backend.get(scanned.orphan)
    dashboard.go("findings")
    act(dashboard, scanned.orphan, "remove")
    assert scanned.orphan not in lockstep.oracle.objects()
    assert [item["key"] for item in lockstep.json("trash", "list", "--json")] == [scanned.orphan]
    dashboard("undo").click()
    dashboard.alert("Restored: 1 file")
    assert lockstep.backend.get(scanned.orphan) == data
    assert lockstep.json("trash", "list", "--json") == []


@BOTH_CATALOGS
def test_each_kind_is_mended_by_its_button(lockstep, dashboard, scanned):
    dashboard.go("findings")
    act(dashboard, scanned.lost, "drop")
    assert scanned.lost not in lockstep.oracle.rows()
    act(dashboard, scanned.overwritten, "refresh")
    row, stored = lockstep.oracle.rows()[scanned.overwritten], lockstep.oracle.objects()[scanned.overwritten]
    assert (row.etag, row.size) == (stored.etag, stored.size)
    act(dashboard, scanned.misfiled, "refile")
    assert lockstep.oracle.rows()[scanned.misfiled].variant_weight == "500ml"
    act(dashboard, scanned.moved, "relink")
    assert scanned.moved_to in lockstep.oracle.rows() and scanned.moved not in lockstep.oracle.rows()
    act(dashboard, scanned.stray, "remove")
    act(dashboard, scanned.orphan, "adopt")
    lockstep.assert_in_step()


@BOTH_CATALOGS
def test_a_selection_is_mended_at_once(lockstep, dashboard):
    seed(lockstep, ("p1", "500ml", 3))
    orphans = [f"{FOLDER}/orphan-{n}.png" for n in range(6)]
    for key in orphans:
        lockstep.backend.put(key, png(key))
    lockstep.run("scan", "--grace=0s", check=1)
    dashboard.go("findings")
    for key in orphans[:2]:
        finding(dashboard, key).get_by_test_id("select").check()
    dashboard("selection-adopt").click()
    dashboard.confirm(*orphans[:2])
    dashboard.alert("2")
    assert set(orphans[:2]) <= set(lockstep.oracle.rows()) and orphans[2] not in lockstep.oracle.rows()

    expect(dashboard("select")).to_have_count(4)
    dashboard("select-all").check()
    dashboard("selection-remove").click()
    dashboard.confirm(*orphans[2:])
    dashboard.alert("4")
    assert set(orphans) & set(lockstep.oracle.objects()) == set(orphans[:2])
    lockstep.assert_in_step()
    dashboard("undo").click()
    dashboard.alert("Restored: 4 files")
    assert set(orphans) <= set(lockstep.oracle.objects())


@ONE
def test_leaving_the_question_changes_nothing(lockstep, dashboard, scanned):
    before = lockstep.backend.all_keys(), lockstep.oracle.rows()
    dashboard.go("findings")
    for action in ("adopt", "remove"):
        finding(dashboard, scanned.orphan).get_by_test_id(action).click()
        expect(dashboard("dialog")).to_contain_text(scanned.orphan)
        dashboard("dialog-cancel").click()
        expect(dashboard("dialog")).to_be_hidden()
    assert (lockstep.backend.all_keys(), lockstep.oracle.rows()) == before


@ONE
def test_what_has_changed_meanwhile_is_left_alone_and_said(lockstep, dashboard, scanned):
    dashboard.go("findings")
    row = finding(dashboard, scanned.lost)
    data = png("back again", 9)
    lockstep.backend.put(scanned.lost, data)
    row.get_by_test_id("drop").click()
    dashboard.confirm(scanned.lost)
    dashboard.alert(scanned.lost, kind="warn")
    assert scanned.lost in lockstep.oracle.rows() and lockstep.backend.get(scanned.lost) == data


@BOTH_CATALOGS
def test_many_findings_come_in_pages_and_by_the_beginning_of_their_keys(lockstep, dashboard):
    keys = sorted(seed(lockstep, ("p1", "500ml", 90), ("p2", "1kg", 30)))
    lost = [key for key in keys if not key.endswith("0.png")]
    for key in lost:
        lockstep.backend.delete(key)
    lockstep.run("scan", "--grace=0s", check=1)
    dashboard.go("findings")
    dashboard("kind-missing").click()
    seen: list[str] = []

    def another_page() -> bool:
        page = dashboard.keys("findings-row")
        return bool(page) and page[0] not in seen

    dashboard.until(another_page, "the first page")
    seen += dashboard.keys("findings-row")
    while dashboard("next-page").count():
        dashboard("next-page").click()
        dashboard.until(another_page, "the next page")
        seen += dashboard.keys("findings-row")
    assert seen == lost, "each once, in the order of their keys"
    dashboard("search").fill("products/p2/")
    dashboard("search").press("Enter")
    of_p2 = [key for key in lost if key.startswith("products/p2/")]
    dashboard.until(lambda: dashboard.keys("findings-row") == of_p2, "those of p2")
