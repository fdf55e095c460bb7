# SPDX-License-Identifier: GPL-3.0-or-later
"""Signing in and out, and what each role is shown."""

import pytest
from harness.images import seed
from harness.program import wait_until
from playwright.sync_api import Error, expect

pytestmark = pytest.mark.pairs("file")


def stored(page) -> str:
    """Everything that the browser keeps of this page, in one text."""
    return page.evaluate(
        "JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage), document.cookie])"
    )


def test_a_wrong_token_is_refused_and_says_so(browse, server):
    dashboard = browse()
    dashboard("sign-in-token").fill("no-such-token")
    dashboard("sign-in").click()
    expect(dashboard("sign-in-error")).to_contain_text("token")
    expect(dashboard("sign-in-token")).to_be_visible()
    expect(dashboard("sign-out")).to_be_hidden()
    assert "no-such-token" not in stored(dashboard.page)
    dashboard.sign_in()


def test_the_token_stays_in_the_tab_until_sign_out(browse, server):
    dashboard = browse().sign_in()
    token = server.token("admin")
    assert dashboard.page.context.cookies() == []
    assert token not in dashboard.page.evaluate("JSON.stringify(Object.entries(localStorage))")
    assert token not in dashboard.page.url and token not in dashboard.page.content()
    dashboard.page.reload()
    expect(dashboard("sign-out")).to_be_visible()

    other = dashboard.page.context.new_page()
    other.goto("/")
    expect(other.get_by_test_id("sign-in-token")).to_be_visible()

    dashboard("sign-out").click()
    expect(dashboard("sign-in-token")).to_be_visible()
    assert token not in stored(dashboard.page)
    dashboard.page.reload()
    expect(dashboard("sign-in-token")).to_be_visible()
    expect(dashboard("card-total")).to_be_hidden()
    dashboard.page.go_back()
    expect(dashboard("card-total")).to_be_hidden()


def test_a_token_that_is_taken_away_leads_back_to_sign_in(browse, server):
    dashboard = browse().sign_in()
    server.lockstep.run("token", "revoke", "test-admin")
    wait_until(lambda: server.get("/admin/audit").status == 401, "the token is refused")
    dashboard.go("audit")
    expect(dashboard("sign-in-token")).to_be_visible()


def test_with_a_token_for_reading_there_is_nothing_that_would_be_refused(browse, server, lockstep):
    keys = seed(lockstep, ("p1", "500ml", 3))
    lockstep.backend.delete(keys[0])
    lockstep.run("scan", "--grace=0s", check=1)
    dashboard = browse().sign_in("read")
    expect(dashboard("card-missing")).to_contain_text("1")
    expect(dashboard("sync-all")).to_be_hidden()
    dashboard.go("findings")
    expect(dashboard("findings-row")).to_have_count(1)
    expect(dashboard("drop")).to_have_count(0)


def test_nothing_is_shown_to_who_has_not_signed_in(browse, server, lockstep):
    seed(lockstep, ("secret-product", "500ml", 3))
    dashboard = browse("/#/products")
    expect(dashboard("sign-in-token")).to_be_visible()
    assert "secret-product" not in dashboard.page.content()


def test_the_watch_notices_what_a_page_must_not_do(browse, server, watch):
    """The judge itself: each kind of trespass is seen."""
    dashboard = browse()
    page = dashboard.page
    page.evaluate("""() => {
        const image = document.createElement("img");
        image.src = "http://elsewhere.test/x.png";
        document.body.append(image);
        const script = document.createElement("script");
        script.textContent = "window.ran = 1";
        document.body.append(script);
        setTimeout(() => { throw new Error("thrown by the test"); });
        setTimeout(() => alert("opened by the test"));
    }""")
    for part in (
        "policy: img-src",
        "policy: script-src",
        "console: ",
        "page error: thrown by the test",
        "dialog: alert opened by the test",
    ):
        dashboard.until(lambda part=part: any(text.startswith(part) for text in watch.complaints), part)
    assert page.evaluate("window.ran === undefined")
    with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
        page.goto("http://elsewhere.test/")
    assert "request to elsewhere: http://elsewhere.test/" in watch.complaints
    with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
        page.goto(f"http://elsewhere.test/?token={server.token('read')}")
    assert any(text.startswith("a token in an address") for text in watch.complaints)
    with pytest.raises(AssertionError, match="misbehaved"):
        watch.assert_quiet()
    watch.complaints.clear()
