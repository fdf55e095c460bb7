# SPDX-License-Identifier: GPL-3.0-or-later
"""A shop with a running serve on each pair that a test names, and one Chromium for all tests of a worker."""

from dataclasses import dataclass

import pytest
from harness.browser import DESKTOP, Axe, Watch, running_chromium
from harness.dashboard import Dashboard
from harness.images import png, seed
from harness.serve import Server

FOLDER = "products/p1/500ml/hero-card"


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
    seen = Watch(f"http://{server.address}", server.tokens)
    yield seen
    seen.assert_quiet()


@pytest.fixture
def browse(chromium, server, watch):
    """Open a tab of its own, with what a context of the browser can be told: browse(viewport=PHONE) -> Dashboard."""
    contexts = []

    def opened(path: str = "/", **options) -> Dashboard:
        contexts.append(chromium.new_context(base_url=watch.origin, **({"viewport": DESKTOP} | options)))
        watch.over(contexts[-1])
        dashboard = Dashboard(contexts[-1].new_page(), server, watch)
        dashboard.page.goto(path)
        return dashboard

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def dashboard(browse):
    """Signed in as an administrator, at the overview."""
    return browse().sign_in()


@dataclass
class Drift:
    """What other programs have done behind lockstep's back, one of each kind; all of it in p1 but the lost image."""

    keys: list[str]
    orphan: str = f"{FOLDER}/orphan.png"
    moved_to: str = "products/p1/500ml/info-card/elsewhere.png"
    stray: str = "products/p1/stray.png"

    @property
    def moved(self) -> str:
        return self.keys[0]

    @property
    def overwritten(self) -> str:
        return self.keys[3]

    @property
    def misfiled(self) -> str:
        return self.keys[6]

    @property
    def lost(self) -> str:
        return self.keys[-1]


@pytest.fixture
def drift(lockstep) -> Drift:
    made = Drift(seed(lockstep, ("p1", "500ml", 12), ("p2", "1kg", 8)))
    lockstep.backend.put(made.orphan, png("orphan", 24))
    lockstep.backend.delete(made.lost)
    lockstep.backend.move(made.moved, made.moved_to)
    lockstep.backend.put(made.overwritten, png("somebody else", 30))
    lockstep.backend.put(made.stray, png("stray"))
    lockstep.oracle.execute("update product_image set variant_weight = '999' where file_name = ?", made.misfiled)
    return made


@pytest.fixture
def scanned(lockstep, drift) -> Drift:
    lockstep.run("scan", "--grace=0s", check=1)
    return drift
