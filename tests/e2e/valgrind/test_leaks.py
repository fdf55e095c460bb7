# SPDX-License-Identifier: GPL-3.0-or-later
"""The mount under memcheck: some work of each kind, then unmount; no leak and no invalid access."""

import os
import shutil
import subprocess

import pytest
from harness.images import make_tree
from harness.program import SLOW, program

# Not yet run with PostgreSQL.
pytestmark = [pytest.mark.valgrind, pytest.mark.timeout(600), pytest.mark.pairs("file", "minio")]

ERROR = 87  # the exit status by which memcheck tells that it found something
# The libtool wrapper script of an uninstalled program would be checked instead of it.
MEMCHECK = (
    "valgrind",
    "--quiet",
    "--leak-check=full",
    "--show-leak-kinds=definite,indirect",
    "--errors-for-leak-kinds=definite,indirect",
    f"--error-exitcode={ERROR}",
    "--num-callers=30",
    "--child-silent-after-fork=yes",
)


@pytest.fixture
def checked(lockstep, monkeypatch):
    """The installation, its program run by valgrind from now on."""
    with open(program(), "rb") as file:
        wrapper = file.read(2) == b"#!"
    start = ["libtool", "--mode=execute"] if wrapper else []
    if wrapper:
        start[0] = os.path.join(os.path.dirname(program()), "libtool")
    plain = lockstep.argv
    monkeypatch.setattr(lockstep, "argv", lambda *a, **k: [*start, *MEMCHECK, *plain(*a, **k)])
    return lockstep


def test_no_leak_after_work_and_unmount(checked, folder):
    make_tree(folder / "source", "p1", "500ml", 12)
    checked.put("products/p2/500ml/other-images/large.bin", bytes(6 << 20))
    mount = checked.mount()
    done = subprocess.run(
        ["rsync", "-a", f"{folder}/source/products/", f"{mount.products}/"], capture_output=True, timeout=120 * SLOW
    )
    assert done.returncode == 0, done.stderr
    os.rename(mount.products / "p1/500ml", mount.products / "p1/1kg")
    hero = mount.products / "p1/1kg/hero-card"
    (hero / "image-0000.png").write_bytes(b"over")
    os.rename(hero / "image-0000.png", hero / "image-0003.png")
    (hero / "image-0006.png").read_bytes()
    (hero / ".scratch.123456").write_bytes(b"x")
    (hero / "image-0006.png").unlink()
    with open(mount.products / "p2/500ml/other-images/large.bin", "rb") as large:
        assert os.pread(large.fileno(), 100, 5 << 20) == bytes(100)  # some of its blocks: it stays incomplete
    with pytest.raises(OSError):
        (hero / "no-such-file").read_bytes()
    shutil.rmtree(mount.products / "p1/1kg/info-card")
    status = mount.unmount(timeout=60)
    assert status == 0, f"status {status} ({ERROR} = memcheck): {mount.text()[-8000:]}"
    checked.oracle.assert_in_step()


def test_no_leak_in_scan_and_sync(checked):
    for i in range(5):
        checked.backend.put(f"products/p1/500ml/hero-card/{i}.png", b"bytes %d" % i)
    checked.run("import", timeout=60)
    checked.backend.delete("products/p1/500ml/hero-card/1.png")
    checked.backend.put("products/p1/500ml/hero-card/9.png", b"new")
    checked.run("scan", "--json", "--grace=0s", check=1)
    checked.run("sync", "--orphans=adopt", "--missing=drop", "--yes", "--grace=0s", check=0)
    checked.run("variant", "rename", "p1", "500ml", "1kg")
    checked.oracle.assert_in_step()
