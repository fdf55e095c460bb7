# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses a keyboard, a screen reader, a phone, a dark screen or wants no motion can do the same as all others."""

import pytest
from harness.browser import DESKTOP, PHONE
from harness.images import png
from playwright.sync_api import expect

pytestmark = pytest.mark.pairs("file")

VIEWS = ("overview", "products", "findings", "trash", "history", "audit", "events", "journal")
SCREENS = {"desktop": DESKTOP, "phone": PHONE}
FOCUSED = "document.activeElement?.closest('[data-test]')?.dataset.test ?? ''"


def busy_shop(lockstep, server, scanned) -> None:
    """Something to show in every view."""
    key = "products/p2/1kg/hero-card/gone.png"
    lockstep.backend.put(key, png("gone"))
    assert (
        server.post("/admin/products/p2/images/sync", {"removeOrphaned": True}).json["mended"]["removedOrphaned"] == 1
    )
    event = {"EventName": "s3:ObjectCreated:Put", "Key": f"any/{scanned.keys[2]}"}
    assert server.post("/webhooks/minio", event, role="webhook").status == 200


def each_view(dashboard):
    """Go to each view, a product's among them, and wait until it is filled."""
    filled = {
        "overview": "card-total",
        "products": "product-row",
        "findings": "findings-row",
        "trash": "trash-row",
        "history": "scan-row",
        "audit": "audit-row",
        "events": "event-row",
        "journal": "instance-row",
    }
    for view, hook in filled.items():
        dashboard.page.goto(f"/#/{view}")
        expect(dashboard(hook).first).to_be_visible()
        yield view
    dashboard.page.goto("/#/product/p1")
    expect(dashboard("product-image").first).to_be_visible()
    yield "product"


def tab_to(dashboard, hook: str, most: int = 80) -> None:
    """Press Tab until the focus is there; it must be visible on the way."""
    for _ in range(most):
        dashboard.page.keyboard.press("Tab")
        if dashboard.page.evaluate(FOCUSED) == hook:
            assert dashboard.page.evaluate("document.activeElement.matches(':focus-visible')")
            return
    raise AssertionError(f"Tab never comes to {hook}")


def test_everything_is_done_by_keyboard_alone(lockstep, browse, server, drift):
    dashboard = browse()
    keyboard = dashboard.page.keyboard
    tab_to(dashboard, "sign-in-token")
    keyboard.type(server.token("admin"))
    keyboard.press("Enter")
    expect(dashboard("sign-out")).to_be_visible()

    tab_to(dashboard, "check")
    keyboard.press("Enter")
    dashboard.alert()
    dashboard.made_anew()
    tab_to(dashboard, "sync-all")
    keyboard.press("Enter")
    expect(dashboard("dialog")).to_be_visible()
    inside = "document.activeElement.closest('dialog') !== null"
    for _ in range(12):
        keyboard.press("Tab")
        assert dashboard.page.evaluate(f"{inside} || document.activeElement === document.body"), "Tab leaves the dialog"
    keyboard.press("Escape")
    expect(dashboard("dialog")).to_be_hidden()
    assert dashboard.page.evaluate(FOCUSED) == "sync-all", "the focus returns to where it was"

    expect(dashboard("sync-all")).not_to_have_attribute("aria-disabled", "true")
    keyboard.press("Enter")
    expect(dashboard("dialog")).to_be_visible()
    tab_to(dashboard, "dialog-remove-orphaned")
    if not dashboard("dialog-remove-orphaned").is_checked():
        keyboard.press("Space")
    tab_to(dashboard, "dialog-preview")
    keyboard.press("Enter")
    expect(dashboard("dialog-plan")).to_contain_text(drift.orphan)
    tab_to(dashboard, "dialog-confirm")
    keyboard.press("Enter")
    dashboard.until(lambda: drift.orphan not in lockstep.backend.all_keys(), "the orphan is removed")
    dashboard.alert()

    tab_to(dashboard, "nav-trash")
    keyboard.press("Enter")
    expect(dashboard("trash-row")).to_have_count(1)
    tab_to(dashboard, "restore")
    keyboard.press("Enter")
    expect(dashboard("dialog")).to_contain_text(drift.orphan)
    tab_to(dashboard, "dialog-confirm")
    keyboard.press("Enter")
    dashboard.alert("Restored: 1 file")
    assert drift.orphan in lockstep.oracle.objects()
    tab_to(dashboard, "sign-out")
    keyboard.press("Enter")
    expect(dashboard("sign-in-token")).to_be_visible()


def test_the_first_tab_skips_to_what_matters(dashboard):
    dashboard.page.reload()
    expect(dashboard("card-total")).to_be_visible()
    tab_to(dashboard, "skip", most=1)
    expect(dashboard("skip")).to_be_in_viewport()
    dashboard.page.keyboard.press("Enter")
    assert dashboard.page.evaluate("document.activeElement.closest('main') !== null")
    expect(dashboard("card-total")).to_be_visible()


@pytest.mark.parametrize("scheme", ("light", "dark"))
@pytest.mark.parametrize("screen", SCREENS)
def test_axe_finds_nothing_serious_on_any_view(lockstep, browse, server, scanned, axe, screen, scheme):
    busy_shop(lockstep, server, scanned)
    dashboard = browse(viewport=SCREENS[screen], color_scheme=scheme, reduced_motion="reduce")
    found = [f"sign-in: {text}" for text in axe.problems(dashboard.page)]
    dashboard.sign_in()
    for view in each_view(dashboard):
        found += [f"{view}: {text}" for text in axe.problems(dashboard.page)]
    dashboard.page.goto("/#/overview")
    dashboard("sync-all").click()
    dashboard("dialog-remove-orphaned").check()
    found += [f"dialog: {text}" for text in axe.problems(dashboard.page)]
    dashboard("dialog-preview").click()
    expect(dashboard("dialog-plan")).to_be_visible()
    found += [f"plan: {text}" for text in axe.problems(dashboard.page)]
    dashboard.confirm()
    dashboard.alert()
    found += [f"alert: {text}" for text in axe.problems(dashboard.page)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("width", (360, 390, 1280))
def test_no_view_is_wider_than_the_screen(lockstep, browse, server, scanned, width):
    busy_shop(lockstep, server, scanned)
    dashboard = browse(viewport={"width": width, "height": 800})
    wide = []

    def look(view: str) -> None:
        width_of_all = dashboard.page.evaluate("document.documentElement.scrollWidth")
        if width_of_all > width:
            wide.append(f"{view} is {width_of_all} px wide")

    look("sign-in")
    dashboard.sign_in()
    for view in each_view(dashboard):
        look(view)
    assert not wide, wide


def test_a_phone_does_the_same_work(lockstep, browse, server, scanned):
    dashboard = browse(viewport=PHONE, has_touch=True, is_mobile=True).sign_in()
    dashboard.page.goto("/#/findings")
    row = dashboard.row("findings-row", scanned.orphan)
    expect(row).to_be_visible()
    for action in ("adopt", "remove"):
        box = row.get_by_test_id(action).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"] and box["height"] >= 24
    row.get_by_test_id("remove").tap()
    expect(dashboard("dialog")).to_contain_text(scanned.orphan)
    box = dashboard("dialog").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"]
    dashboard("dialog-confirm").tap()
    dashboard.alert()
    assert scanned.orphan not in lockstep.oracle.objects()
    dashboard("undo").tap()
    dashboard.alert("Restored: 1 file")
    assert scanned.orphan in lockstep.oracle.objects()


def test_dark_is_dark_and_light_is_light(browse):
    def brightness(scheme: str) -> float:
        page = browse(color_scheme=scheme).sign_in().page
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        red, green, blue = (int(part) for part in colour.removeprefix("rgb(").rstrip(")").split(","))
        return (red + green + blue) / 3

    assert brightness("dark") < 64 and brightness("light") > 192


def test_who_wants_no_motion_gets_none(lockstep, browse, server, scanned):
    moving = """() => [...document.querySelectorAll("*")].filter((element) => {
        const style = getComputedStyle(element);
        const times = `${style.transitionDuration},${style.animationDuration}`.split(",").map(parseFloat);
        return Math.max(...times) > 0.01 || style.scrollBehavior === "smooth";
    }).map((element) => element.outerHTML.slice(0, 120))"""
    busy_shop(lockstep, server, scanned)
    dashboard = browse(reduced_motion="reduce").sign_in()
    for view in each_view(dashboard):
        assert dashboard.page.evaluate(moving) == [], view


def test_progress_and_outcome_are_announced(dashboard, drift):
    """A screen reader hears of what changes: it happens within a live region that was there before."""
    live = "(element) => element.closest('[aria-live], [role=status], [role=alert], [role=log]') !== null"
    dashboard("check").click()
    assert dashboard.alert().evaluate(live)
    for table in dashboard.page.locator("table").all():
        assert table.locator("caption").count() == 1
    assert dashboard.page.locator("main").count() == 1 and dashboard.page.locator("nav").count() >= 1
    assert dashboard.page.evaluate("document.documentElement.lang") == "en"
