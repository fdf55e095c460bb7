# SPDX-License-Identifier: GPL-3.0-or-later
"""rsync in the ways people call it: temporary names and renames, in place, appending, deleting; always by checksum."""

import os

import pytest
from harness.images import make_tree
from harness.tools import sized, tool

pytestmark = pytest.mark.mount

FILES = sized(60, 3000)


def rsync(*words) -> list[str]:
    """Run it; what it transferred or deleted, a line each."""
    said = tool("rsync", "-a", "-c", "--out-format=%i %n", *words, timeout=sized(120, 1800))
    return [line for line in said.splitlines() if line.strip()]


@pytest.fixture
def source(folder):
    """Two weights of a product, and some bytes for the larger files."""
    for weight in ("500ml", "1kg"):
        make_tree(folder / "source", "p1", weight, FILES // 2)
    big = folder / "source/products/p1/1kg/info-card/big.png"
    big.parent.mkdir(parents=True, exist_ok=True)
    big.write_bytes(os.urandom(3_000_000))
    return folder / "source"


def assert_same(lockstep, source) -> None:
    """The store holds what the source has, byte for byte, and nothing else."""
    files = {str(path.relative_to(source)): path for path in source.rglob("*") if path.is_file()}
    assert lockstep.backend.objects().keys() == files.keys()
    wrong = [key for key, path in files.items() if lockstep.backend.get(key) != path.read_bytes()]
    assert not wrong


def changed(source) -> list[str]:
    """Change the bytes of some files, add one and remove one."""
    files = sorted(path for path in (source / "products").rglob("*") if path.is_file())
    for path in files[::7]:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)
    files[1].unlink()
    (files[2].parent / "new one.png").write_bytes(b"new")
    return [str(path) for path in files[::7]]


@pytest.mark.parametrize("way", [(), ("--inplace",), ("--inplace", "--no-whole-file")])
def test_rsync_brings_the_same_tree_and_then_nothing(lockstep, mount, source, way):
    target = f"{mount.path}/"
    rsync(*way, f"{source}/", target)
    assert_same(lockstep, source)
    assert rsync(*way, f"{source}/", target) == [], "a second run must transfer nothing"
    assert len(changed(source)) > 1
    rsync(*way, "--delete", f"{source}/products/", f"{mount.products}/")
    assert_same(lockstep, source)
    assert rsync(*way, "--delete", f"{source}/products/", f"{mount.products}/") == []
    lockstep.assert_in_step()


def test_rsync_appends_to_what_is_there(lockstep, mount, source):
    rsync(f"{source}/", f"{mount.path}/")
    grown = source / "products/p1/1kg/info-card/big.png"
    with open(grown, "ab") as out:
        out.write(os.urandom(100_000))
    said = tool("rsync", "-a", "--append-verify", "--stats", f"{source}/", f"{mount.path}/", timeout=120)
    assert "Number of regular files transferred: 1\n" in said, said
    assert_same(lockstep, source)
    lockstep.assert_in_step()


def test_rsync_back_from_the_mount_gives_the_same_tree(lockstep, mount, source, folder):
    rsync(f"{source}/", f"{mount.path}/")
    rsync(f"{mount.path}/", f"{folder / 'copy'}/")
    tool("diff", "-r", source, folder / "copy", timeout=60)
    assert rsync(f"{source}/", f"{folder / 'copy'}/") == []
