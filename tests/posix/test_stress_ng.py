# SPDX-License-Identifier: GPL-3.0-or-later
"""stress-ng's file stressors with their own verification, one at a time.

A stressor works in a folder `tmp-stress-ng-NAME-PID-INSTANCE`. The layout has no folders of free names for files, so
that folder is made a type of the test's layout; in a process namespace of its own the PID is known beforehand.
Left out, for the layout or the design has no place for what they do: chdir, dir, dirdeep, dirmany, filename, getdent
(folders of their own), link, symlink, mknod (EPERM here), xattr (names other than user.lockstep.*), lease, inotify,
dnotify, fanotify, verity, chattr, fiemap, file-ioctl, inode-flags (nothing of the file system's), quota.
"""

import os
import re

import pytest
from harness.tools import LET_GO, sized, tool

pytestmark = [pytest.mark.mount, pytest.mark.pairs("file", "minio")]

SECONDS = sized(1, 60)
OPTIONS = {
    "access": (),
    "aio": (),
    "chmod": (),
    "chown": (),
    "copy-file": ("--copy-file-bytes", "128m"),
    "dentry": ("--dentries", "64"),
    "fallocate": ("--fallocate-bytes", "2m"),
    "fcntl": (),
    "flock": (),
    "fpunch": (),
    "fsize": (),
    "hdd": ("--hdd-bytes", "1m"),
    "iomix": ("--iomix-bytes", "2m"),
    "locka": (),
    "lockf": (),
    "lockofd": (),
    "mmap": ("--mmap-file", "--mmap-bytes", "2m"),
    "readahead": ("--readahead-bytes", "2m"),
    "rename": (),
    "seek": ("--seek-size", "2m"),
    "sendfile": ("--sendfile-size", "1m"),
    "sync-file": ("--sync-file-bytes", "2m"),
    "touch": (),
    "utime": (),
}
# One operation of these is many calls, of which a busy machine may not end one in a second: they do so many instead.
FEW = sized({"chmod": 3, "chown": 6, "fallocate": 10, "fsize": 10, "mmap": 6}, {})


@pytest.mark.parametrize("stressor", OPTIONS)
def test_a_stressor_verifies_what_it_did(lockstep, stressor):
    # Most of them fork before they make the folder, some do not; rename makes two.
    folders = [f"tmp-stress-ng-{stressor}-{pid}-{i}" for pid in (1, 2) for i in (0, 1)]
    lockstep.set_config("layout", "types", " ".join(["hero-card", *folders]))
    mount = lockstep.mount()
    weight = mount.products / "p1" / "500ml"
    weight.mkdir(parents=True)
    said = tool(
        *("unshare", "--mount", "--propagation", "private", *(() if os.geteuid() == 0 else ("--map-root-user",))),
        *("sh", "-c", f'own=$1 && shift\n{LET_GO}\nexec "$@"', "sh", mount.path),
        *("unshare", "--pid", "--fork", "--mount-proc", "--kill-child"),
        *("stress-ng", f"--{stressor}", "1", *OPTIONS[stressor]),
        *((f"--{stressor}-ops", FEW[stressor], "--timeout", 60) if stressor in FEW else ("--timeout", SECONDS)),
        *("--verify", "--temp-path", weight, "--metrics-brief"),
        timeout=sized(100, 600),
        cwd=lockstep.folder,
    )
    done = re.search(rf"metrc: \[\d+\] {stressor} +(\d+) ", said)
    assert done and int(done[1]) > 0 and "fail:" not in said, said
    assert list(weight.iterdir()) == [], "stress-ng removes what it made"
    lockstep.run("scan", "--grace=0s", check=0)
    assert not lockstep.oracle.open_intents() and not lockstep.oracle.rows() and not lockstep.backend.objects()
