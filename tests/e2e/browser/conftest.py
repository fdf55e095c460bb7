# SPDX-License-Identifier: GPL-3.0-or-later
"""A shop with a running serve on each pair that a test names, and one Chromium for all tests of a worker."""

import pytest
from harness.browser import Axe, Watch, running_chromium
from harness.dashboard import Dashboard
from harness.serve import Server


@pytest.fixture(scope="session")
def chromium():
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def axe():
    return Axe()


@pytest.fixture
def server(lockstep):
    # What a test has just put into the bucket is no pending upload.
    lockstep.set_config("scan", "grace", "0s")
    running = Server(lockstep).start()
    yield running
    if running.process.poll() is None:
        running.stop()


@pytest.fixture
def watch(server):
    """Whatever the test is about: its pages kept the policy, threw nothing and asked nobody else."""
    seen = Watch(f"http://{server.address}")
    yield seen
    seen.assert_quiet()


@pytest.fixture
def browse(chromium, server, watch):
    """Open a tab of its own, with what a context of the browser can be told: browse(viewport=PHONE) -> Dashboard."""
    contexts = []

    def opened(path: str = "/", **options) -> Dashboard:
        contexts.append(chromium.new_context(base_url=watch.origin, **options))
        watch.over(contexts[-1])
        dashboard = Dashboard(contexts[-1].new_page(), server)
        dashboard.page.goto(path)
        return dashboard

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def dashboard(browse):
    """Signed in as an administrator, at the overview."""
    return browse().sign_in()
