# SPDX-License-Identifier: GPL-3.0-or-later
"""An empty shop, and a server that goes away and comes back: what each view says then."""

import pytest
from harness.images import seed
from playwright.sync_api import expect

ONE = pytest.mark.pairs("file")
VIEWS = ("overview", "products", "findings", "trash", "history", "audit", "events", "journal")


@ONE
def test_an_empty_shop_is_told_what_to_do(dashboard):
    for view in ("products", "findings", "trash", "history", "audit", "events"):
        dashboard.go(view)
        expect(dashboard("empty").first).to_be_visible()
        expect(dashboard("error")).to_have_count(0)
    dashboard.go("overview")
    expect(dashboard("check")).to_be_visible()
    dashboard("check").click()
    dashboard.alert()
    dashboard.made_anew()
    assert dashboard.figure("card-total") == 0


@ONE
def test_a_server_that_goes_away_is_said_and_comes_back_by_retry(lockstep, browse, server):
    keys = seed(lockstep, ("p1", "500ml", 3))
    dashboard = browse().sign_in()
    server.args = ("--listen", server.address)
    server.stop()
    for view in VIEWS:
        dashboard.go(view)
        expect(dashboard("error")).to_be_visible()
        expect(dashboard("retry")).to_be_visible()
    dashboard.go("overview")
    expect(dashboard("error")).to_be_visible()
    server.start()
    dashboard("retry").click()
    expect(dashboard("card-total")).to_be_visible()
    expect(dashboard("error")).to_have_count(0)
    dashboard("check").click()
    dashboard.alert()
    dashboard.made_anew()
    assert dashboard.figure("card-total") == len(keys)


@ONE
def test_a_server_that_dies_during_a_check_is_said(lockstep, browse, server):
    seed(lockstep, ("p1", "500ml", 3))
    server.args = ("--listen", server.address)
    dashboard = browse().sign_in()
    with lockstep.oracle.locked():  # so that the check waits
        with dashboard.page.expect_response(lambda response: "async=1" in response.url) as begun:
            dashboard("check").click()
        assert begun.value.json()["state"] in ("queued", "running")
        server.process.kill()
        assert server.process.wait(20) == -9
    expect(dashboard("progress-text")).to_contain_text("lost")
    server.start()
    dashboard.alert("stopped", kind="bad")
    expect(dashboard("progress")).to_be_hidden()
    dashboard("check").click()
    dashboard.alert()
    dashboard.made_anew()
    assert dashboard.figure("card-total") == 3
