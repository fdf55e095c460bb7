# SPDX-License-Identifier: GPL-3.0-or-later
"""A git work tree on the mount, its GIT_DIR elsewhere: clone, many checkouts, a clean status each time, fsck."""

import pytest
from harness.images import png
from harness.tools import sized, tool

pytestmark = pytest.mark.mount

CHECKOUTS = sized(8, 100)
FILES = sized(8, 40)
IDENTITY = ("-c", "user.name=shop", "-c", "user.email=shop@example.test")


def git(*words, cwd, env=None) -> str:
    return tool(
        "git", *IDENTITY, *words, cwd=cwd, timeout=sized(120, 900), env={"GIT_CONFIG_GLOBAL": "/dev/null"} | (env or {})
    )


@pytest.fixture
def origin(folder):
    """A repository with two commits: images that change, come, go, and move to another weight."""
    work = folder / "origin"
    first = work / "products/p1/500ml/hero-card"
    first.mkdir(parents=True)
    for i in range(FILES):
        (first / f"image {i}.png").write_bytes(png(("first", i), 16))
    git("init", "-q", "-b", "main", cwd=work)
    git("add", ".", cwd=work)
    git("commit", "-q", "-m", "first", cwd=work)
    git("branch", "before", cwd=work)
    (work / "products/p1/750ml").mkdir()
    git("mv", "products/p1/500ml/hero-card", "products/p1/750ml/hero-card", cwd=work)
    moved = work / "products/p1/750ml/hero-card"
    (moved / "image 0.png").write_bytes(png("second", 24))
    (moved / "image 1.png").unlink()
    (work / "products/p2/1kg/info-card").mkdir(parents=True)
    (work / "products/p2/1kg/info-card/new.png").write_bytes(png("new"))
    git("add", "-A", cwd=work)
    git("commit", "-q", "-m", "second", cwd=work)
    return work


def test_a_git_work_tree_lives_on_the_mount(lockstep, mount, origin, folder):
    git_dir = folder / "repository.git"
    where = {"GIT_DIR": str(git_dir), "GIT_WORK_TREE": str(mount.path)}
    git("clone", "-q", "--bare", origin, git_dir, cwd=folder)
    git("config", "core.bare", "false", cwd=folder, env={"GIT_DIR": str(git_dir)})
    for turn in range(CHECKOUTS):
        branch = "before" if turn % 2 else "main"
        git("checkout", "-q", "-f", branch, cwd=mount.path, env=where)
        assert git("status", "--porcelain", cwd=mount.path, env=where) == "", f"checkout {turn} of {branch}"
        assert git("diff", "--stat", "HEAD", cwd=mount.path, env=where) == ""
    assert git("rev-parse", "HEAD", cwd=folder, env=where) == git("rev-parse", "before", cwd=folder, env=where)
    git("fsck", "--full", "--strict", cwd=folder, env=where)
    expected = set(git("ls-tree", "-r", "--name-only", "-z", "HEAD", cwd=folder, env=where).strip("\0").split("\0"))
    assert set(lockstep.oracle.rows()) == expected
    lockstep.assert_in_step()
