# SPDX-License-Identifier: GPL-3.0-or-later
"""The dashboard as a person uses it: by what it shows and by its data-test hooks."""

import time

from playwright.sync_api import Locator, Page, expect

from .program import SLOW

expect.set_options(timeout=10_000 * SLOW)


class Dashboard:
    def __init__(self, page: Page, server):
        self.page, self.server = page, server
        page.set_default_timeout(10_000 * SLOW)

    def __call__(self, hook: str, **filters) -> Locator:
        """Where data-test is `hook`; filters as Locator.filter takes them."""
        found = self.page.get_by_test_id(hook)
        return found.filter(**filters) if filters else found

    def sign_in(self, role: str = "admin") -> "Dashboard":
        self("sign-in-token").fill(self.server.token(role))
        self("sign-in").click()
        expect(self("sign-out")).to_be_visible()
        return self

    def until(self, condition, what: str) -> None:
        """Poll with a deadline, while the page goes on and its events arrive here."""
        end = time.monotonic() + 20 * SLOW
        while not condition():
            assert time.monotonic() < end, f"waited in vain: {what}"
            self.page.wait_for_timeout(20)

    def go(self, view: str) -> "Dashboard":
        self(f"nav-{view}").click()
        return self
