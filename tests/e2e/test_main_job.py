# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job: rsync in, move a weight, delete a weight; store, catalog and mount agree after each step."""

import os
import re
import subprocess

import pytest
from harness.images import make_tree
from harness.program import SLOW

pytestmark = pytest.mark.mount


def sh(*argv, timeout=100):
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=timeout * SLOW)
    assert done.returncode == 0, f"{argv}: status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def agree(lockstep, mount, count):
    """Three witnesses: the store, the database's own shell and the mount; then our own scan."""
    objects = lockstep.oracle.objects()
    assert len(objects) == count
    assert {key: (obj.etag, obj.size) for key, obj in objects.items()} == lockstep.oracle.shell_rows()
    lockstep.oracle.assert_in_step()
    if mount is not None:
        lockstep.oracle.assert_tree(mount.products)
    lockstep.run("scan", "--grace=0s", check=0)


def test_rsync_mv_and_rm_keep_store_catalog_and_mount_in_step(lockstep, folder):
    source = folder / "source"
    make_tree(source, "p1", "500ml", 300)
    make_tree(source, "p1", "1kg", 300)
    mount = lockstep.mount()

    sh("rsync", "-a", f"{source}/products/", f"{mount.products}/")
    agree(lockstep, mount, 600)
    second = sh("rsync", "-a", "--itemize-changes", "--stats", f"{source}/products/", f"{mount.products}/")
    assert re.search(r"regular files transferred: 0$", second, re.M), second
    changes = [line for line in second.splitlines() if re.match(r"^[<>ch.*][fdLDS]", line)]
    assert changes == [], "the second rsync changed something"
    sh("diff", "-r", f"{source}/products", mount.products)

    sh("mv", mount.products / "p1/500ml", mount.products / "p1/750ml")
    agree(lockstep, mount, 600)
    moved = [row for row in lockstep.oracle.rows().values() if row.weight == "750ml"]
    assert len(moved) == 300
    assert set(lockstep.oracle.variants()) == {("p1", "750ml"), ("p1", "1kg")}

    sh("rm", "-r", mount.products / "p1/1kg")
    agree(lockstep, mount, 300)
    assert set(lockstep.oracle.variants()) == {("p1", "750ml")}
    assert os.listdir(mount.products / "p1") == ["750ml"]

    assert mount.unmount() == 0
    agree(lockstep, None, 300)


def test_everything_is_still_there_after_a_remount(lockstep, folder):
    source = folder / "source"
    make_tree(source, "p1", "500ml", 12)
    mount = lockstep.mount()
    sh("rsync", "-a", f"{source}/products/", f"{mount.products}/")
    assert mount.unmount() == 0
    again = lockstep.mount()
    sh("diff", "-r", f"{source}/products", again.products)
    second = sh("rsync", "-a", "--itemize-changes", f"{source}/products/", f"{again.products}/")
    assert second.strip() == "", "rsync found differences after a remount"
