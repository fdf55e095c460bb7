# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads of a large object of which some ranges are here, when the store stops, cuts bodies or has another object."""

import errno
import os
import threading
import time
from contextlib import contextmanager

import pytest
from harness.backends import MinioBackend
from harness.images import seed
from harness.minio import running_minio
from harness.program import SLOW, Lockstep
from harness.proxy import Answer, Change, error
from harness.stopping import stopped

pytestmark = pytest.mark.mount

DEADLINE_S = 3
LIMIT_S = DEADLINE_S + 20
MIB = 1 << 20
SIZE = 20 * MIB
KEY = "products/p1/500ml/other-images/big.bin"
DATA = b"".join(i.to_bytes(8, "big") for i in range(SIZE // 8))


@contextmanager
def opened(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)


def read(fd, mib) -> int:
    """0, or the errno. What is read is what was written."""
    try:
        assert os.pread(fd, 4096, mib * MIB) == DATA[mib * MIB : mib * MIB + 4096]
        return 0
    except OSError as failure:
        return failure.errno


def with_big(lockstep):
    seed(lockstep, ("p2", "500ml", 2))
    lockstep.put(KEY, DATA)
    return lockstep.mount()


def test_reads_of_a_stopped_store_end_in_time_and_go_on_afterwards(folder, database_url):
    with running_minio() as (server, process):
        lockstep = Lockstep(folder, MinioBackend(*server), database=database_url)
        try:
            lockstep.init()
            lockstep.set_config("store", "deadline", f"{DEADLINE_S}s")
            mount = with_big(lockstep)
            with opened(mount.path / KEY) as fd:
                assert read(fd, 19) == 0  # from its end: nothing is read ahead
                results = {}
                readers = [threading.Thread(target=lambda i=i: results.update({i: read(fd, i)})) for i in (3, 7, 8, 12)]
                with stopped(process):
                    since = time.monotonic()
                    for reader in readers:
                        reader.start()
                    # What needs no store is answered meanwhile.
                    assert read(fd, 19) == 0
                    assert sorted(os.listdir(mount.products)) == ["p1", "p2"]
                    assert os.stat(mount.path / KEY).st_size == SIZE
                    assert os.statvfs(mount.path).f_bsize > 0
                    for reader in readers:
                        reader.join(2 * LIMIT_S * SLOW)
                    took = time.monotonic() - since
                    assert results == dict.fromkeys((3, 7, 8, 12), errno.EIO)
                    assert took < LIMIT_S * SLOW, f"took {took:.1f} s"
                assert [read(fd, i) for i in (3, 7, 8, 12, 0)] == [0] * 5
            assert "event=read-failed" in mount.text()
            assert (mount.path / KEY).read_bytes() == DATA
            assert mount.unmount() == 0
        finally:
            lockstep.close()


def test_a_body_that_is_cut_fails_the_read_and_the_next_one_is_right(behind, proxy):
    mount = with_big(behind)
    with opened(mount.path / KEY) as fd:
        proxy.set_rule(
            lambda r: Change(lambda s, h, b: Answer(s, b, h, cut=len(b) // 2)) if r.is_get and KEY in r.path else None
        )
        assert read(fd, 7) == errno.EIO
        assert proxy.fired > 0
        proxy.set_rule(None)
        assert read(fd, 7) == 0
    assert mount.unmount() == 0


def test_ranges_of_a_store_that_is_overloaded_for_a_moment_are_asked_for_again(behind, proxy):
    mount = with_big(behind)
    with opened(mount.path / KEY) as fd:
        proxy.set_rule(lambda r: error(503, "SlowDown") if r.is_get and KEY in r.path and r.number < 2 else None)
        assert read(fd, 7) == 0
        assert proxy.fired == 2
        proxy.set_rule(None)
    assert mount.unmount() == 0


def test_the_whole_object_instead_of_a_range_is_no_range(behind, proxy):
    mount = with_big(behind)
    with opened(mount.path / KEY) as fd:
        etag = behind.backend.objects()[KEY].etag
        whole = Answer(200, DATA, {"ETag": f'"{etag}"', "Content-Length": str(SIZE)})
        proxy.set_rule(lambda r: whole if r.is_get and KEY in r.path else None)
        assert read(fd, 7) == errno.EIO
        assert proxy.fired > 0
        proxy.set_rule(None)
        assert read(fd, 7) == 0
    assert mount.unmount() == 0
