# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -STOP of a real MinIO under a mount that works: what needs it ends in time with EIO, what does not goes on, and
after kill -CONT everything works again without a remount."""

import errno
import os
import signal
import subprocess
import time

import pytest
from harness import calls
from harness.backends import MinioBackend
from harness.images import seed
from harness.minio import running_minio
from harness.program import SLOW, Lockstep, wait_until
from harness.stopping import stopped

pytestmark = pytest.mark.mount

DEADLINE_S = 3
LIMIT_S = DEADLINE_S + 30


@pytest.fixture(scope="module")
def own_minio():
    with running_minio() as (server, process):
        yield server, process


@pytest.fixture
def shop(folder, own_minio, database_url):
    lockstep = Lockstep(folder, MinioBackend(*own_minio[0]), database=database_url)
    try:
        lockstep.init()
        lockstep.set_config("store", "deadline", f"{DEADLINE_S}s")
        yield lockstep
    finally:
        own_minio[1].send_signal(signal.SIGCONT)
        lockstep.close()
        lockstep.backend.destroy()


def test_each_call_ends_in_time_others_go_on_and_the_mount_recovers_by_itself(shop, own_minio):
    bytes_before = calls.prepare(shop)
    mount = shop.mount()
    with stopped(own_minio[1]):
        calls.all_end(mount, calls.expected(errno.EIO), LIMIT_S)
        wait_until(lambda: "event=unsettled" in mount.text(), "the mender says that it cannot", 60)
    calls.settled(shop)
    wait_until(lambda: "event=settled" in mount.text(), "the mender says that it could", 60)
    text = mount.text()
    assert "advice=" in text, text[-6000:]
    calls.everything_works(shop, mount, bytes_before)


def test_a_hundred_calls_that_wait_do_not_hold_up_those_that_need_not(shop, own_minio):
    seed(shop, ("p1", "500ml", 100), ("p2", "500ml", 1))
    shop.set_config("store", "deadline", "100s")
    mount = shop.mount()
    files = sorted(str(path) for path in (mount.products / "p1").rglob("*.png"))
    with stopped(own_minio[1]):
        script = 'echo; exec cat "$0" >/dev/null'
        readers = [subprocess.Popen(["sh", "-c", script, path], stdout=subprocess.PIPE) for path in files]
        assert all(reader.stdout.read(1) for reader in readers), "each is about to read"
        os.mkdir(mount.products / "p2/1kg")
        os.chmod(mount.products / "p2/500ml/hero-card/image-0000.png", 0o600)
        os.utime(mount.products / "p2", (1, 1))
        assert sorted(os.listdir(mount.products / "p2")) == ["1kg", "500ml"]
        os.rmdir(mount.products / "p2/1kg")
        assert all(reader.poll() is None for reader in readers)
    assert [reader.wait(90 * SLOW) for reader in readers] == [0] * 100
    assert mount.unmount() == 0
    shop.assert_in_step()


def test_sigterm_while_the_store_is_stopped_ends_the_mount_in_time(shop, own_minio):
    seed(shop, ("p1", "500ml", 3))
    mount = shop.mount()
    with stopped(own_minio[1]):
        since = time.monotonic()
        assert calls.ended(calls.start(mount.products / "p1", "unlink"), since + LIMIT_S * SLOW)[0] == 0
        status = mount.terminate()
        took = time.monotonic() - since
    assert status == 0 and not os.path.ismount(mount.path)
    assert took < (4 * DEADLINE_S + 20) * SLOW, f"took {took:.1f} s"
    shop.run("recover")
    shop.assert_in_step()
    assert len(shop.oracle.objects()) == 2
