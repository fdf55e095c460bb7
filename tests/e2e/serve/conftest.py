# SPDX-License-Identifier: GPL-3.0-or-later
"""A server on each pair of store and catalog."""

import pytest
from harness.serve import Server


@pytest.fixture
def server(lockstep):
    running = Server(lockstep).start()
    yield running
    if running.process.poll() is None:
        running.stop()
