# SPDX-License-Identifier: GPL-3.0-or-later
"""Make doc/images/dashboard-*.png anew, from a shop of drawn goods.

Not part of a test run, because its name is no test's: name the file to pytest, as doc/TESTING.md says.
"""

from pathlib import Path

import pytest
from harness.browser import PHONE
from harness.pictures import Studio
from playwright.sync_api import expect

pytestmark = pytest.mark.pairs("minio")

IMAGES = Path(__file__).resolve().parents[3] / "doc" / "images"
LARGEST = 200 * 1024
DAY_NS = 86_400 * 10**9

# name, shape, hue, weights
GOODS = (
    ("Olive oil", "bottle", 70, ("250ml", "500ml", "1l")),
    ("Walnut oil", "bottle", 42, ("250ml", "500ml")),
    ("Cider vinegar", "bottle", 22, ("500ml",)),
    ("Elderflower", "bottle", 96, ("330ml", "750ml")),
    ("Acacia honey", "jar", 46, ("250g", "500g")),
    ("Forest honey", "jar", 28, ("250g", "500g")),
    ("Fig mustard", "jar", 330, ("180g",)),
    ("Plum jam", "jar", 285, ("220g", "450g")),
    ("Apricot jam", "jar", 30, ("220g", "450g")),
    ("Sea salt", "tin", 196, ("150g", "1kg")),
    ("Paprika", "tin", 8, ("80g", "250g")),
    ("Turmeric", "tin", 50, ("80g", "250g")),
    ("Earl Grey", "bag", 210, ("100g", "250g")),
    ("Sencha", "bag", 120, ("100g",)),
    ("Espresso", "bag", 18, ("250g", "1kg")),
    ("Red lentils", "bag", 14, ("500g", "1kg")),
)


def identifier(name: str) -> str:
    return name.lower().replace(" ", "-")


@pytest.fixture
def studio(chromium):
    taken = Studio(chromium)
    yield taken
    taken.close()


def key_of(name: str, weight: str, kind: str, file: str) -> str:
    return f"products/{identifier(name)}/{weight}/{kind}/{file}"


@pytest.fixture
def shop(lockstep, studio):
    """Everything in step two weeks ago; then an import that went wrong, put right but for what is left today."""
    backend = lockstep.backend
    for name, shape, hue, weights in GOODS:
        for weight in weights:
            for number, kind in enumerate(("hero-card", "info-card", "other-images")):
                key = key_of(name, weight, kind, f"{identifier(name)}-{number + 1}.jpg")
                backend.put(key, studio.jpeg(shape, name, hue, (weight, kind)))
    lockstep.oracle.insert_rows(lockstep.oracle.objects())

    def scan(days_ago: float) -> None:
        lockstep.run("scan", "--grace=0s", check=(0, 1))
        (number,) = lockstep.oracle.query("select max(id) from lockstep_scan")[0]
        ago = int(days_ago * DAY_NS)
        lockstep.oracle.execute(
            "update lockstep_scan set started_ns = started_ns - ?, ended_ns = ended_ns - ? where id = ?",
            ago,
            ago,
            number,
        )

    for day in (14, 13, 12):
        scan(day)
    uploads = [(name, shape, hue, weights[0]) for name, shape, hue, weights in GOODS[:14]]
    for number, (name, shape, hue, weight) in enumerate(uploads):
        key = key_of(name, weight, "other-images", f"autumn-{number + 1:02}.jpg")
        backend.put(key, studio.jpeg(shape, name, hue, "autumn"))
        if number in (4, 9, 13):
            scan(11 - number / 5)
    lost = [key_of(name, weights[-1], "info-card", f"{identifier(name)}-2.jpg") for name, _, _, weights in GOODS[:3]]
    for key in lost:
        backend.delete(key)
    for day in (7, 6):
        scan(day)
    lockstep.run("sync", "--grace=0s", "--missing=drop", "--yes", check=(0, 1))
    scan(5)
    backend.delete(key_of("Sencha", "100g", "info-card", "sencha-2.jpg"))
    backend.put(key_of("Paprika", "80g", "hero-card", "paprika-1.jpg"), studio.jpeg("tin", "Paprika", 350, "new label"))
    backend.move(
        key_of("Espresso", "1kg", "other-images", "espresso-3.jpg"),
        key_of("Espresso", "250g", "other-images", "espresso-3-large.jpg"),
    )
    for day in (4, 3, 2, 1):
        scan(day)
    return lockstep


def shoot(page, name: str) -> None:
    page.evaluate("scrollTo(0, 0)")
    page.mouse.move(0, 0)
    path = IMAGES / f"dashboard-{name}.png"
    path.parent.mkdir(exist_ok=True)
    page.screenshot(path=path, animations="disabled", caret="hide")
    assert path.stat().st_size < LARGEST, f"{path.name} has {path.stat().st_size} bytes"


def pictures_there(dashboard, least: int) -> None:
    seen = "[...document.querySelectorAll('main img')].filter((image) => image.naturalWidth > 0).length"
    dashboard.until(lambda: dashboard.page.evaluate(seen) >= least, f"{least} pictures are shown")


def test_screenshots(shop, browse):
    desk = browse(viewport={"width": 1280, "height": 960}, reduced_motion="reduce").sign_in()
    desk("check").click()
    desk.alert()
    desk("alert-close").first.click()
    shoot(desk.page, "overview")
    desk.go("findings")
    desk("kind-orphaned").click()
    pictures_there(desk, 4)
    shoot(desk.page, "findings")

    dark = browse(color_scheme="dark", reduced_motion="reduce").sign_in()
    dark("sync-all").click()
    dark("dialog-recreate-missing").check()
    dark("dialog-preview").click()
    expect(dark("dialog-plan")).to_be_visible()
    shoot(dark.page, "sync-dark")

    phone = browse(viewport=PHONE, device_scale_factor=1, is_mobile=True, has_touch=True, reduced_motion="reduce")
    phone.sign_in()
    phone.page.goto("/#/product/paprika")
    pictures_there(phone, 2)
    shoot(phone.page, "phone")
