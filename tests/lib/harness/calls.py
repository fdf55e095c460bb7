# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of call on a mount at once, each on a product of its own, while the store misbehaves: what each must end
with, and that all is well afterwards, in the same mount."""

import errno
import shutil
import subprocess
import sys
import time

from .images import png, seed
from .program import SLOW, wait_until

# Python, run in a process of its own; its exit status is the errno.
A = "p + '/500ml/hero-card/image-0000.png'"
NEW = "fd = os.open(p + '/500ml/hero-card/new.png', os.O_WRONLY | os.O_CREAT); os.write(fd, b'new');"
NEEDS_STORE = {
    "read": f"open({A}, 'rb').read()",
    "close": f"{NEW} os.close(fd)",
    "fsync": f"{NEW} os.fsync(fd)",
    "overwrite": f"fd = os.open({A}, os.O_WRONLY | os.O_TRUNC); os.write(fd, b'new'); os.close(fd)",
    "append": f"fd = os.open({A}, os.O_WRONLY | os.O_APPEND); os.write(fd, b'new'); os.close(fd)",
    "truncate": f"os.truncate({A}, 0)",
    "rename": f"os.rename({A}, p + '/500ml/hero-card/b.png')",
    "replace": f"os.rename({A}, p + '/500ml/info-card/image-0001.png')",
    "folder": "os.rename(p + '/500ml', p + '/1kg')",
}
# Done when the rows are gone: the objects follow when the store answers again. Refused for good: the rows come back.
REMOVES = {
    "unlink": f"os.unlink({A})",
    "tree": "os.unlink(p + '/500ml/hero-card/image-0000.png'); os.rmdir(p + '/500ml/hero-card')",
}
NO_STORE = {
    "mkdir": "os.mkdir(p + '/1kg'); os.mkdir(p + '/1kg/hero-card')",
    "rmdir": "os.mkdir(p + '/2kg'); os.rmdir(p + '/2kg')",
    "chmod": f"os.chmod({A}, 0o600)",
    "list": "assert len(list(os.walk(p))) == 5",
    "statfs": "os.statvfs(p)",
    "stat": f"os.stat({A})",
}
CALLS = NEEDS_STORE | REMOVES | NO_STORE
SCRIPT = """
import os, sys
p = sys.argv[1]
try:
    exec(sys.argv[2])
except OSError as e:
    os._exit(e.errno)
os._exit(0)
"""


def expected(store: int, removes: int = 0) -> dict[str, int]:
    """The errno of each call, when those that need the store end with `store`."""
    return dict.fromkeys(NEEDS_STORE, store) | dict.fromkeys(REMOVES, removes) | dict.fromkeys(NO_STORE, 0)


def prepare(lockstep) -> dict[str, bytes]:
    """Images for every call; returns their bytes."""
    keys = seed(lockstep, *((name, "500ml", 3) for name in CALLS))
    return {key: lockstep.backend.get(key) for key in keys}


def start(path, name: str) -> subprocess.Popen:
    return run(path, CALLS[name])


def run(path, code: str) -> subprocess.Popen:
    argv = [sys.executable, "-S", "-c", SCRIPT, str(path), code]
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def ended(process, until: float) -> tuple[int, str]:
    """Its exit status, or -1 when it hangs."""
    try:
        _, text = process.communicate(timeout=max(1, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()
        return -1, "did not end in time"
    return process.returncode, text.decode()


def all_end(mount, wanted: dict[str, int], limit_s: float) -> None:
    """Make all calls side by side; each ends with the errno that is wanted, within the limit."""
    until = time.monotonic() + limit_s * SLOW
    running = {name: start(mount.products / name, name) for name in CALLS}
    said = {name: ended(process, until) for name, process in running.items()}
    wrong = {
        name: (errno.errorcode.get(status, status), text)
        for name, (status, text) in said.items()
        if status != wanted[name]
    }
    assert not wrong, f"{wrong}\n{mount.text()[-6000:]}"


def settled(lockstep) -> None:
    """Nothing is left open, without anybody's doing."""
    query = "select count(*) from lockstep_intent"
    wait_until(lambda: lockstep.oracle.query(query)[0][0] == 0, "the mount settles what was left open", 60)


def everything_works(lockstep, mount, before: dict[str, bytes]) -> None:
    """The bytes are old or new, each call succeeds now, and both sides are in step."""
    for key in lockstep.oracle.rows():
        # A write that ended with EIO was sent: the store may have done it all the same. Old or new, never a mixture.
        wanted = {before.get(key, b"new")}
        if key.split("/")[1] in ("overwrite", "append", "truncate"):
            wanted |= {b"new", before[key] + b"new", b""}
        assert (mount.path / key).read_bytes() in wanted, key
    for name in CALLS:
        if name in REMOVES or name in ("mkdir", "list"):
            shutil.rmtree(mount.products / name)
        else:
            status, text = ended(start(mount.products / name, name), time.monotonic() + 60 * SLOW)
            assert status == 0, (name, errno.errorcode.get(status, status), text, mount.text()[-3000:])
    (mount.products / "folder/1kg/hero-card/late.png").write_bytes(png("late"))
    lockstep.assert_in_step()
    assert mount.unmount() == 0
    products = {key.split("/")[1] for key in lockstep.oracle.objects()}
    assert products.isdisjoint(REMOVES) and "folder" in products
