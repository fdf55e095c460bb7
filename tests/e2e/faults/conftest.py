# SPDX-License-Identifier: GPL-3.0-or-later
"""An installation whose store is a real MinIO behind a proxy that misbehaves on demand."""

import time
from types import SimpleNamespace

import pytest
from harness.program import SLOW, Lockstep
from harness.proxy import Proxy

DEADLINE_S = 3


@pytest.fixture
def proxy(minio_server):
    proxy = Proxy(minio_server[0])
    yield proxy
    proxy.close()


@pytest.fixture
def behind(folder, minio_backend, database_url, proxy):
    """Lockstep talks to the proxy with a deadline of 3 s; the oracle talks to MinIO itself."""
    lockstep = Lockstep(folder, minio_backend, database=database_url)
    try:
        lockstep.init()
        lockstep.set_config("store", "endpoint", proxy.endpoint)
        lockstep.set_config("store", "deadline", f"{DEADLINE_S}s")
        yield lockstep
    finally:
        proxy.set_rule(None)
        proxy.silent.clear()
        lockstep.close()


@pytest.fixture
def bounded():
    """Asserts that a block ended in time: the deadline, its scaling by size, and some slack of a busy machine."""

    class Bounded:
        def __init__(self, limit_s: float = 6 * DEADLINE_S + 8):
            self.limit_s = limit_s * SLOW

        def __enter__(self):
            self.start = time.monotonic()
            return SimpleNamespace(limit_s=self.limit_s)

        def __exit__(self, kind, *_):
            took = time.monotonic() - self.start
            assert kind is not None or took < self.limit_s, f"took {took:.1f} s, may take {self.limit_s:.0f} s"

    return Bounded
