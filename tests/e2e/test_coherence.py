# SPDX-License-Identifier: GPL-3.0-or-later
"""Several writers: what any of them commits is shown by a mount whose kernel caches last a day; listings stay right.

The kernel keeps names, attributes and listings until it is told of a change, so that each of these changes is shown at
all proves that it was told.
"""

import ctypes
import os
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from harness.backends import Object
from harness.images import png, seed
from harness.program import SLOW
from harness.program import wait_until as poll

pytestmark = pytest.mark.mount

KEY = "products/p1/500ml/hero-card/a.png"


def wait_until(condition, what: str) -> None:
    poll(condition, what, 60)


def walk(root: Path) -> dict[str, int]:
    """Every file's path and size; fills the kernel's caches."""
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder) / name
            with suppress(FileNotFoundError):  # the kernel was told after it had listed the name
                found[str(path.relative_to(root))] = path.stat().st_size
    return found


def sizes(lockstep) -> dict[str, int]:
    return {key: row.size for key, row in lockstep.oracle.rows().items()}


def shown(mount, lockstep) -> None:
    """The mount comes to show what the catalog says, in listings and attributes."""
    wait_until(lambda: walk(mount.path) == sizes(lockstep), "the mount shows what others have committed")


@pytest.fixture
def watched(lockstep):
    """A mount that has shown (and so cached) three weights."""
    seed(lockstep, ("p1", "500ml", 6), ("p1", "1kg", 3), ("p2", "2l", 3))
    mount = lockstep.mount()
    assert walk(mount.path) == walk(mount.path) == sizes(lockstep)
    return mount


def test_what_commands_commit_is_shown(watched, lockstep):
    hero = "products/p1/500ml/hero-card"
    lockstep.put(KEY, png("a", 9))
    shown(watched, lockstep)
    lockstep.put(f"{hero}/image-0000.png", png("larger than before", 30))
    shown(watched, lockstep)
    assert (watched.path / hero / "image-0000.png").read_bytes() == png("larger than before", 30)
    lockstep.run("mv", KEY, "products/p2/2l/info-card/b.png")
    shown(watched, lockstep)
    lockstep.run("rm", "products/p2/2l/info-card/b.png", f"{hero}/image-0003.png")
    shown(watched, lockstep)
    lockstep.run("variant", "rename", "p1", "1kg", "3kg")
    shown(watched, lockstep)
    assert sorted(os.listdir(watched.products / "p1")) == ["3kg", "500ml"]
    lockstep.run("variant", "delete", "--yes", "p1", "3kg", check=None)
    shown(watched, lockstep)
    lockstep.assert_in_step()


def test_what_sync_mends_is_shown(watched, lockstep):
    lockstep.backend.put("products/p1/500ml/info-card/orphan.png", png("orphan"))
    lockstep.backend.delete("products/p1/500ml/hero-card/image-0000.png")
    lockstep.run("sync", "--grace=0s", "--orphans=adopt", "--missing=drop", "--yes", "--max-change=100%", check=(0, 1))
    assert "products/p1/500ml/info-card/orphan.png" in sizes(lockstep)
    assert "products/p1/500ml/hero-card/image-0000.png" not in sizes(lockstep)
    shown(watched, lockstep)


def test_what_the_application_writes_is_shown(watched, lockstep):
    product = watched.products / "p9"
    assert not product.exists()
    lockstep.oracle.execute("insert into product (id) values ('p9')")
    wait_until(lambda: os.listdir(product) == [] and "p9" in os.listdir(watched.products), "the new product is shown")
    lockstep.oracle.execute("insert into product_variant (product_id, weight) values ('p9', '5kg')")
    wait_until(lambda: os.listdir(product) == ["5kg"], "the new weight is shown")
    lockstep.oracle.execute("delete from product_variant where product_id = 'p9'")
    wait_until(lambda: os.listdir(product) == [], "the deleted weight has gone")
    lockstep.oracle.execute("delete from product where id = 'p9'")
    wait_until(lambda: not product.exists() and "p9" not in os.listdir(watched.products), "the product has gone")
    name = "products/p1/500ml/hero-card/image-0000.png"
    lockstep.oracle.execute("delete from product_image where file_name = ?", name)
    wait_until(lambda: not (watched.path / name).exists(), "the deleted row has gone")
    shown(watched, lockstep)
    assert not (watched.path / name).exists()


def test_what_another_mount_does_is_shown(watched, lockstep):
    other = lockstep.mount()
    ours, theirs = watched.products / "p1", other.products / "p1"
    (theirs / "9kg/info-card").mkdir(parents=True)
    wait_until(lambda: (ours / "9kg/info-card").is_dir() and "9kg" in os.listdir(ours), "the new folder is shown")
    (theirs / "9kg/info-card/n.png").write_bytes(png("n"))
    shown(watched, lockstep)
    before = os.getcwd()
    os.chdir(ours / "9kg/info-card")
    try:
        os.chmod(theirs / "9kg/info-card", 0o700)
        wait_until(lambda: os.stat(".").st_mode & 0o777 == 0o700, "the new mode is shown")
        assert os.getcwd() == str(ours / "9kg/info-card"), "who stands in a folder must not lose it"
    finally:
        os.chdir(before)
    os.rename(theirs / "9kg", theirs / "8kg")
    wait_until(lambda: not (ours / "9kg").exists() and (ours / "8kg/info-card/n.png").exists(), "the rename is shown")
    shown(watched, lockstep)
    (theirs / "8kg/info-card/n.png").unlink()
    (theirs / "8kg/info-card").rmdir()
    wait_until(lambda: os.listdir(ours / "8kg") == [], "the removed folder has gone")
    shown(other, lockstep)


def test_the_next_open_sees_at_once_what_was_committed(watched, lockstep):
    path = watched.path / KEY
    for i in range(8):
        data = png(i, 4 + i % 3)
        lockstep.put(KEY, data)
        with open(path, "rb") as before:
            assert before.read() == data
            lockstep.put(KEY, b"meanwhile")
            assert path.read_bytes() == b"meanwhile"
            before.seek(0)
            assert before.read() == data, "an open file is one version"
    lockstep.run("rm", KEY)
    with pytest.raises(FileNotFoundError):
        open(path, "rb")  # noqa: SIM115
    path.write_bytes(b"made anew")
    assert lockstep.get(KEY) == b"made anew"
    lockstep.run("mv", KEY, KEY.replace("a.png", "b.png"))
    with pytest.raises(FileNotFoundError):
        path.read_bytes()
    assert path.with_name("b.png").read_bytes() == b"made anew"
    lockstep.assert_in_step()


def test_a_lost_feed_is_said_once_and_costs_only_time(watched, lockstep):
    with lockstep.oracle.transaction() as execute:
        execute("delete from product_image where file_name like '%/image-0000.png'")
        execute("delete from lockstep_change")
    wait_until(lambda: "changes_lost" in watched.text(), "the log says that changes were lost")
    shown(watched, lockstep)
    lockstep.put(KEY, png("a"))
    shown(watched, lockstep)
    assert watched.text().count("changes_lost") == 1


# ---- listings

listings = pytest.mark.pairs("file", "postgres")  # they come from the catalog alone


def load(lockstep, objects: dict[str, int]) -> None:
    """Rows alone: a listing never asks the store."""
    lockstep.oracle.insert_rows({key: Object(size, "0" * 32) for key, size in objects.items()})


class Directory:
    """The C library's view of an open folder: positions included."""

    libc = ctypes.CDLL(None, use_errno=True)
    libc.opendir.restype = libc.readdir64.restype = ctypes.c_void_p
    libc.opendir.argtypes = [ctypes.c_char_p]
    libc.readdir64.argtypes = libc.closedir.argtypes = libc.telldir.argtypes = [ctypes.c_void_p]
    libc.telldir.restype = ctypes.c_long
    libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
    libc.rewinddir.argtypes = [ctypes.c_void_p]

    def __init__(self, path):
        self.stream = self.libc.opendir(os.fsencode(path))
        assert self.stream, os.strerror(ctypes.get_errno())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.libc.closedir(self.stream)

    def next(self) -> str | None:
        while entry := self.libc.readdir64(self.stream):
            name = ctypes.string_at(entry + 19).decode()  # after d_ino, d_off, d_reclen, d_type
            if name not in (".", ".."):
                return name
        return None

    def rest(self) -> list[str]:
        names = []
        while (name := self.next()) is not None:
            names.append(name)
        return names

    def tell(self) -> int:
        return self.libc.telldir(self.stream)

    def seek(self, position: int) -> None:
        self.libc.seekdir(self.stream, position)


LONG = "-" * 200  # so that a listing takes many calls


@pytest.fixture
def crowd(lockstep):
    """A folder of 500 files with long names, and its mount."""
    keys = [f"products/p1/500ml/hero-card/{i:04d}{LONG}.png" for i in range(500)]
    for key in keys:
        lockstep.backend.put(key, b"x")
    lockstep.run("import")
    return lockstep.mount().products / "p1/500ml/hero-card", [Path(key).name for key in keys]


@listings
def test_a_folder_is_emptied_while_it_is_read(crowd, lockstep):
    folder, names = crowd
    with os.scandir(folder) as entries:
        seen = []
        for i, entry in enumerate(entries):
            seen.append(entry.name)
            if i % 3 or i > 200:
                os.unlink(entry.path)
    assert sorted(seen) == names
    assert sorted(os.listdir(folder)) == [name for i, name in enumerate(names) if i % 3 == 0 and i <= 200]
    subprocess.run(["rm", "-r", folder.parent.parent], check=True, timeout=100 * SLOW)
    assert lockstep.oracle.rows() == {}


@listings
def test_names_that_stay_are_given_once_while_others_come_and_go(crowd, lockstep):
    folder, names = crowd
    prefix = "products/p1/500ml/hero-card"
    with Directory(folder) as directory:
        seen = [directory.next() for _ in range(100)]
        (folder / f"0050{LONG}-new.png").write_bytes(b"behind")
        (folder / f"0250{LONG}-new.png").write_bytes(b"ahead")
        (folder / names[10]).rename(folder / f"0499{LONG}-moved.png")
        lockstep.run("rm", *(f"{prefix}/{names[i]}" for i in (20, 99, 100, 101, 400)))
        lockstep.put(f"{prefix}/0300{LONG}-other.png", b"from elsewhere")
        seen += directory.rest()
    untouched = [name for i, name in enumerate(names) if i not in (10, 20, 99, 100, 101, 400)]
    assert [name for name in sorted(seen) if name in untouched] == untouched
    assert len(seen) == len(set(seen))
    wait_until(lambda: len(os.listdir(folder)) == 500 - 5 + 3, "the listing shows what came and went")


@listings
def test_positions_stay_good(crowd):
    folder, names = crowd
    with Directory(folder) as directory:
        places = []
        order = []
        while (name := directory.next()) is not None:
            order.append(name)
            places.append(directory.tell())
        assert sorted(order) == names
        for i in (0, 5, 250, 498, 133):
            directory.seek(places[i])
            assert directory.next() == order[i + 1]
        gone = order[250]
        os.unlink(folder / gone)
        directory.seek(places[250])
        assert directory.rest() == order[251:]
        directory.seek(places[249])
        assert [name for name in directory.rest() if name != gone] == order[251:]
        directory.seek(places[498])
        assert directory.rest() == order[499:]


@listings
@pytest.mark.timeout(400 * SLOW)
def test_a_folder_of_10_000_and_5_000_folders(lockstep):
    load(lockstep, {f"products/big/1kg/other-images/f{i:05d}.jpg": 1 + i for i in range(10_000)})
    tree = {
        f"products/p{i:04d}/{weight}/{kind}/a.jpg": 7
        for i in range(560)
        for weight in ("500ml", "1kg")
        for kind in ("hero-card", "info-card", "other-images")
    }
    load(lockstep, tree)
    mount = lockstep.mount()
    big = mount.products / "big/1kg/other-images"

    def lines(*argv) -> int:
        done = subprocess.run(argv, capture_output=True, timeout=150 * SLOW, check=True)
        return len(done.stdout.splitlines())

    for _ in range(2):
        assert lines("ls", "-U", big) == 10_000
        assert lines("find", mount.products, "-type", "f", "-size", "+0") == 10_000 + len(tree)
        assert lines("find", mount.products, "-type", "d") == 1 + 3 + 560 * (1 + 2 + 6)
    assert sorted(os.listdir(big)) == [f"f{i:05d}.jpg" for i in range(10_000)]
    assert (big / "f09999.jpg").stat().st_size == 10_000
    load(lockstep, {"products/big/1kg/other-images/g.jpg": 1, "products/p0000/2kg/info-card/a.jpg": 1})
    wait_until(lambda: "g.jpg" in os.listdir(big), "the new file is listed")
    wait_until(lambda: sorted(os.listdir(mount.products / "p0000")) == ["1kg", "2kg", "500ml"], "so is the new weight")
