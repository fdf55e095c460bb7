# SPDX-License-Identifier: GPL-3.0-or-later
"""A headless Chromium that looks at the dashboard of a running serve, and a watch over all that its pages do."""

import os
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

from .program import SLOW

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    # No name is looked up and no other machine is asked, whatever a page or the browser itself wants.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}

LISTEN = """
document.addEventListener("securitypolicyviolation", (event) => {
    const where = `${event.sourceFile}:${event.lineNumber}`;
    violationSeen(`${event.violatedDirective} refused ${event.blockedURI || "inline"} (${where})`);
});
"""


@contextmanager
def running_chromium():
    with sync_playwright() as playwright:
        playwright.selectors.set_test_id_attribute("data-test")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS), timeout=60_000 * SLOW)
        try:
            yield browser
        finally:
            browser.close()


class Watch:
    """What no page may do: break the policy, throw, complain, open the browser's own dialogs, ask another origin, put a
    token into an address."""

    def __init__(self, origin: str, tokens: dict[str, str]):
        self.origin, self.tokens = origin, tokens
        self.complaints: list[str] = []
        self.allowed: tuple[str, ...] = ()  # console errors that the test brings about, by a part of their text

    def over(self, context) -> None:
        context.expose_binding("violationSeen", lambda _, text: self.complaints.append(f"policy: {text}"))
        context.add_init_script(LISTEN)
        context.on("page", self._page)

    def _page(self, page) -> None:
        page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        page.on("console", self._console)
        page.on("dialog", self._dialog)
        page.on("request", self._request)

    def _console(self, message) -> None:
        # A refused or failed request is a line of its own here; what the page makes of it is for the test to look at.
        if message.type not in ("error", "warning") or message.text.startswith("Failed to load resource"):
            return
        if not any(part in message.text for part in self.allowed):
            self.complaints.append(f"console: {message.text}")

    def _dialog(self, dialog) -> None:
        self.complaints.append(f"dialog: {dialog.type} {dialog.message}")
        dialog.dismiss()

    def _request(self, request) -> None:
        at = urlsplit(request.url)
        if at.scheme != "blob" and f"{at.scheme}://{at.netloc}" != self.origin:
            self.complaints.append(f"request to elsewhere: {request.url}")
        if any(token in request.url for token in self.tokens.values()):
            self.complaints.append(f"a token in an address: {request.url}")

    def assert_quiet(self) -> None:
        assert not self.complaints, "the page misbehaved:\n  " + "\n  ".join(self.complaints)


class Axe:
    """axe-core, which judges whether people with assistive technology can use a page."""

    def __init__(self):
        path = os.environ.get("LOCKSTEP_TEST_AXE", "")
        assert path, "LOCKSTEP_TEST_AXE must name axe.min.js (tests/run.sh installs it)"
        self.source = Path(path).read_text()

    def problems(self, page) -> list[str]:
        """What it finds serious or critical, one line each."""
        if not page.evaluate("typeof axe !== 'undefined'"):
            page.evaluate(self.source)
        found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        assert len(found["passes"]) > 5, "axe looked at nothing"
        return [
            f"{issue['id']} ({issue['impact']}): {issue['help']}: {node['html'][:200]} {node['failureSummary'][:300]}"
            for issue in found["violations"]
            if issue["impact"] in ("serious", "critical")
            for node in issue["nodes"]
        ]
