# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -STOP of a real MinIO under a mount that works: what needs it ends in time with EIO, what does not goes on, and
after kill -CONT everything works again without a remount."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from harness.backends import MinioBackend
from harness.images import png, seed
from harness.minio import running_minio
from harness.program import SLOW, Lockstep, wait_until

pytestmark = pytest.mark.mount

DEADLINE_S = 3
LIMIT_S = DEADLINE_S + 20

# Each call has a product of its own, so that they run side by side. Python, run in a process: its exit status is the
# errno. What the call must end with is told by its name's prefix.
CALLS = {
    "eio_read": "open(p + '/500ml/hero-card/image-0000.png', 'rb').read()",
    "eio_close": "fd = os.open(p + '/500ml/hero-card/new.png', os.O_WRONLY | os.O_CREAT); os.write(fd, b'n'); os.close(fd)",
    "eio_fsync": "fd = os.open(p + '/500ml/hero-card/new.png', os.O_WRONLY | os.O_CREAT); os.write(fd, b'n'); os.fsync(fd)",
    "eio_overwrite": "with open(p + '/500ml/hero-card/image-0000.png', 'wb') as f: f.write(b'n')",
    "eio_append": "with open(p + '/500ml/hero-card/image-0000.png', 'ab') as f: f.write(b'n')",
    "eio_rename": "os.rename(p + '/500ml/hero-card/image-0000.png', p + '/500ml/hero-card/b.png')",
    "eio_replace": "os.rename(p + '/500ml/hero-card/image-0000.png', p + '/500ml/info-card/image-0001.png')",
    "eio_folder": "os.rename(p + '/500ml', p + '/1kg')",
    # Done when the rows are gone: the objects follow when the store answers again.
    "done_unlink": "os.unlink(p + '/500ml/hero-card/image-0000.png')",
    "done_tree": "shutil.rmtree(p + '/500ml')",
    # No business of the store.
    "done_mkdir": "os.mkdir(p + '/1kg'); os.mkdir(p + '/1kg/hero-card')",
    "done_rmdir": "os.mkdir(p + '/2kg'); os.rmdir(p + '/2kg')",
    "done_chmod": "os.chmod(p + '/500ml/hero-card/image-0000.png', 0o600)",
    "done_list": "assert len(list(os.walk(p))) == 5",
    "done_statfs": "os.statvfs(p)",
    "done_stat": "os.stat(p + '/500ml/hero-card/image-0000.png')",
}
SCRIPT = """
import os, shutil, sys
p = sys.argv[1]
try:
    exec(sys.argv[2])
except OSError as e:
    os._exit(e.errno)
os._exit(0)
"""


@pytest.fixture(scope="module")
def own_minio():
    with running_minio() as (server, process):
        yield server, process


@pytest.fixture
def shop(folder, own_minio):
    lockstep = Lockstep(folder, MinioBackend(*own_minio[0]))
    try:
        lockstep.init()
        lockstep.set_config("store", "deadline", f"{DEADLINE_S}s")
        yield lockstep
    finally:
        own_minio[1].send_signal(signal.SIGCONT)
        lockstep.close()
        lockstep.backend.destroy()


@contextmanager
def stopped(process):
    """Nothing is answered within the block, though connections are accepted."""
    process.send_signal(signal.SIGSTOP)
    try:
        with open(f"/proc/{process.pid}/stat") as stat:
            assert stat.read().rpartition(")")[2].split()[0] in "TSRDt"
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def start(path, call):
    return subprocess.Popen([sys.executable, "-S", "-c", SCRIPT, str(path), call], stderr=subprocess.PIPE)


def ended(process, since: float) -> tuple[int, str]:
    """Its exit status (a hang is none), within the limit from the start of all."""
    try:
        process.wait(max(1, since + LIMIT_S * SLOW - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()
        return -1, "did not end in time"
    return process.returncode, process.stderr.read().decode()


def open_intents(lockstep) -> int:
    return lockstep.oracle.query("select count(*) from lockstep_intent")[0][0]


def test_each_call_ends_in_time_others_go_on_and_the_mount_recovers_by_itself(shop, own_minio):
    seed(shop, *((name, "500ml", 3) for name in CALLS))
    mount = shop.mount()
    bytes_before = {key: shop.backend.get(key) for key in shop.oracle.rows()}
    with stopped(own_minio[1]):
        since = time.monotonic()
        running = {name: start(mount.products / name, call) for name, call in CALLS.items()}
        said = {name: ended(process, since) for name, process in running.items()}
    wrong = {
        name: (status, text)
        for name, (status, text) in said.items()
        if status != (errno.EIO if name.startswith("eio") else 0)
    }
    assert not wrong, f"{wrong}\n{mount.text()[-6000:]}"
    wait_until(lambda: open_intents(shop) == 0, "the mount settles what was left open", 60)
    text = mount.text()
    assert "event=unsettled" in text and "event=settled" in text and "advice=" in text, text[-6000:]
    assert text.count("event=unsettled") == text.count("event=settled"), text[-6000:]
    # The old names with the old bytes, or the new ones; and everything works, in the same mount.
    rows = shop.oracle.rows()
    for name in CALLS:
        for kept in (key for key in rows if key.startswith(f"products/{name}/500ml/")):
            if kept in bytes_before and not name.startswith("eio_append"):
                assert (mount.path / kept).read_bytes() == bytes_before[kept]
    for name, call in CALLS.items():
        path = mount.products / name
        if name in ("done_unlink", "done_tree", "done_mkdir"):
            shutil.rmtree(path)
        elif name.startswith("eio"):
            status, text = ended(start(path, call), time.monotonic())
            assert status == 0, (name, text, mount.text()[-3000:])
    (mount.products / "eio_folder/1kg/hero-card/late.png").write_bytes(png("late"))
    shop.assert_in_step()
    assert mount.unmount() == 0
    assert not any(key.startswith(("products/done_unlink", "products/done_tree")) for key in shop.oracle.objects())


def test_sigterm_while_the_store_is_stopped_ends_the_mount_in_time(shop, own_minio):
    seed(shop, ("p1", "500ml", 3))
    mount = shop.mount()
    with stopped(own_minio[1]):
        since = time.monotonic()
        running = start(mount.products / "p1", CALLS["done_unlink"])
        assert ended(running, since)[0] == 0
        status = mount.terminate()
        took = time.monotonic() - since
    assert status == 0 and not os.path.ismount(mount.path)
    assert took < (4 * DEADLINE_S + 20) * SLOW, f"took {took:.1f} s"
    shop.run("recover")
    shop.assert_in_step()
    assert len(shop.oracle.objects()) == 2
