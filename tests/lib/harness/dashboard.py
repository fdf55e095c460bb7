# SPDX-License-Identifier: GPL-3.0-or-later
"""The dashboard as a person uses it: by what it shows and by its data-test hooks."""

import re
import time

from playwright.sync_api import ElementHandle, Locator, Page, expect

from .program import SLOW

expect.set_options(timeout=30_000 * SLOW)


class Dashboard:
    def __init__(self, page: Page, server, watch):
        self.page, self.server, self.watch = page, server, watch
        page.set_default_timeout(30_000 * SLOW)

    def __call__(self, hook: str, **filters) -> Locator:
        """Where data-test is `hook`; filters as Locator.filter takes them."""
        found = self.page.get_by_test_id(hook)
        return found.filter(**filters) if filters else found

    def sign_in(self, role: str = "admin") -> "Dashboard":
        self("sign-in-token").fill(self.server.token(role))
        self("sign-in").click()
        expect(self("sign-out")).to_be_visible()
        return self

    def row(self, hook: str, key: str) -> Locator:
        """The line of a list whose key, or id, this is."""
        quoted = key.replace("\\", "\\\\").replace('"', '\\"')
        return self.page.locator(f'[data-test="{hook}"][data-key="{quoted}"]')

    def keys(self, hook: str) -> list[str]:
        """Those of all lines that are shown."""
        return self(hook).evaluate_all("rows => rows.map((row) => row.dataset.key)")

    def figure(self, hook: str) -> int:
        """The number on a card; -1 while there is none."""
        return int(re.sub(r"\D", "", self(hook).get_by_test_id("value").inner_text()) or -1)

    def made_anew(self) -> None:
        """What an alert has told is shown by the view as well: it begins with the alert, and takes some requests."""
        expect(self("main")).not_to_have_attribute("aria-busy", "true")

    def until(self, condition, what: str) -> None:
        """Poll with a deadline, while the page goes on and its events arrive here."""
        end = time.monotonic() + 30 * SLOW
        while not condition():
            assert time.monotonic() < end, f"waited in vain: {what}"
            self.page.wait_for_timeout(20)

    def go(self, view: str) -> "Dashboard":
        self(f"nav-{view}").click()
        return self

    def planned(self, name: str) -> int:
        """How many items a sync's plan has of this; 0 when it has no such line."""
        line = self(f"plan-{name}")
        return int(re.sub(r"\D", "", line.locator("strong").inner_text())) if line.count() else 0

    def alert(self, *texts: str, kind: str = "^(?!bad)") -> ElementHandle:
        """An alert that this has not seen before comes and says all this; the newest of its kind. All are seen then."""
        fresh = self.page.locator('[data-test="alert"]:not([data-seen])')
        expect(fresh.first).to_be_visible()
        for text in texts:
            fresh = fresh.filter(has_text=text)
        expect(fresh.first).to_be_visible()
        expect(fresh.first).to_have_attribute("data-kind", re.compile(kind))
        alert = fresh.first.element_handle()
        self("alert").evaluate_all("alerts => alerts.forEach((alert) => alert.setAttribute('data-seen', ''))")
        return alert

    def confirm(self, *texts: str) -> None:
        """The dialog that asks says all this; go on."""
        for text in texts:
            expect(self("dialog")).to_contain_text(text)
        self("dialog-confirm").click()
        expect(self("dialog")).to_be_hidden()
