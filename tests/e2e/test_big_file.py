# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects that do not fit in memory or in a part: in, out after a remount, ranges, renamed; the mount stays small."""

import hashlib
import os
import shutil
import threading
from contextlib import suppress

import pytest
from harness.program import SLOW

MIB = 1 << 20
# Sanitizers multiply memory; there the limit says nothing.
RSS_LIMIT_MIB = 128 if SLOW == 1 else None

pytestmark = pytest.mark.mount


def block(number: int) -> bytes:
    """MiB `number` of the pattern: each differs, none needs a file to compare with."""
    return hashlib.sha256(b"%d" % number).digest() * (MIB // 32)


def write_pattern(path, size_mib: int) -> None:
    with open(path, "wb") as out:
        for i in range(size_mib):
            out.write(block(i))
        out.write(b"tail")  # the last block and the last part are short


def assert_pattern(path, size_mib: int) -> None:
    assert os.path.getsize(path) == size_mib * MIB + 4
    with open(path, "rb", buffering=0) as file:
        for i in range(size_mib):
            piece = b""
            while len(piece) < MIB:
                more = file.read(MIB - len(piece))
                assert more, f"the file ends in MiB {i}"
                piece += more
            assert piece == block(i), f"MiB {i} differs"
        assert file.read(10) == b"tail"


def assert_small(mount) -> None:
    if RSS_LIMIT_MIB is None:
        return
    with open(f"/proc/{mount.process.pid}/status") as status:
        peak_kib = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    assert peak_kib < RSS_LIMIT_MIB * 1024, f"the mount took {peak_kib / 1024:.0f} MiB"


def in_out_and_renamed(lockstep, size_mib: int, seconds: float) -> None:
    folder = "products/p1/500ml/other-images"
    mount = lockstep.mount(limit_s=seconds)
    (mount.path / folder).mkdir(parents=True)
    write_pattern(mount.path / folder / "big.bin", size_mib)
    assert_small(mount)
    assert mount.unmount(timeout=seconds) == 0

    shutil.rmtree(lockstep.folder / "cache")
    mount = lockstep.mount(limit_s=seconds)
    assert_pattern(mount.path / folder / "big.bin", size_mib)
    os.rename(mount.path / folder / "big.bin", mount.path / folder / "moved.bin")
    assert os.listdir(mount.path / folder) == ["moved.bin"]
    with open(mount.path / folder / "moved.bin", "rb") as file:
        for i in (size_mib - 1, 0, size_mib // 2):
            file.seek(i * MIB)
            assert file.read(MIB) == block(i)
    assert_small(mount)
    assert mount.unmount(timeout=seconds) == 0

    assert list(lockstep.oracle.rows()) == [f"{folder}/moved.bin"]
    lockstep.assert_in_step()


@pytest.mark.timeout(400 * SLOW)
def test_a_file_larger_than_the_memory_limit_goes_in_comes_back_and_is_renamed(lockstep):
    in_out_and_renamed(lockstep, 200 if SLOW == 1 else 40, 300)


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_three_gib_go_in_come_back_and_are_renamed(lockstep_minio):
    # One part of the copy of a rename is 256 MiB: the server's disk may take its time.
    lockstep_minio.set_config("store", "deadline", "300s")
    in_out_and_renamed(lockstep_minio, 3072, 2500)


def uploaded(lockstep, size_mib: int, key: str) -> None:
    source = lockstep.folder / "source"
    write_pattern(source, size_mib)
    lockstep.run("put", source, key, timeout=120)
    source.unlink()


def test_a_file_larger_than_the_cache_is_read_whole_and_the_cache_stays_small(lockstep):
    key = "products/p1/500ml/other-images/big.bin"
    uploaded(lockstep, 24, key)
    lockstep.set_config("mount", "cache_size", "8M")
    mount = lockstep.mount()
    most, seen = 0, False
    with open(mount.path / key, "rb", buffering=0) as file:
        for i in range(24):
            assert os.pread(file.fileno(), MIB, i * MIB) == block(i)
            # What is taken shows in the open, nameless file of the daemon only.
            held = held_bytes(mount)
            most, seen = max([most, *held]), seen or bool(held)
        assert os.pread(file.fileno(), MIB, 3 * MIB + 17) == (block(3) + block(4))[17 : MIB + 17]
    assert seen and most < 16 * MIB
    assert mount.unmount() == 0


def held_bytes(mount) -> list[int]:
    """Disk space behind each of the daemon's open files in its cache."""
    found = []
    for fd in os.listdir(f"/proc/{mount.process.pid}/fd"):
        path = f"/proc/{mount.process.pid}/fd/{fd}"
        with suppress(FileNotFoundError):  # closed meanwhile
            if "/cache/objects/" in os.readlink(path):
                found.append(os.stat(path).st_blocks * 512)
    return found


def test_cache_files_may_be_deleted_while_the_mount_serves_from_them(lockstep):
    key = "products/p1/500ml/other-images/big.bin"
    uploaded(lockstep, 9, key)
    mount = lockstep.mount()
    for _ in range(3):
        with open(mount.path / key, "rb") as file:
            assert file.read(MIB) == block(0)
            for entry in (lockstep.folder / "cache/objects").iterdir():
                entry.unlink(missing_ok=True)
            for i in range(1, 9):
                assert file.read(MIB) == block(i)
        assert_pattern(mount.path / key, 9)
    assert mount.unmount() == 0


def test_readers_at_many_places_at_once_see_one_file(lockstep):
    key = "products/p1/500ml/other-images/big.bin"
    uploaded(lockstep, 30, key)
    mount = lockstep.mount()
    wrong = []

    def reader(start):
        with open(mount.path / key, "rb", buffering=0) as file:
            for step in range(30):
                i = (start + step * 7) % 30
                if os.pread(file.fileno(), 5000, i * MIB + 100) != block(i)[100:5100]:
                    wrong.append(i)

    threads = [threading.Thread(target=reader, args=(start,)) for start in range(0, 30, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert mount.unmount() == 0


def test_an_object_overwritten_behind_our_back_is_an_error_and_never_a_mixture(lockstep):
    key = "products/p1/500ml/other-images/big.bin"
    uploaded(lockstep, 20, key)
    mount = lockstep.mount()
    with open(mount.path / key, "rb", buffering=0) as file:
        assert os.pread(file.fileno(), 4096, 17 * MIB) == block(17)[:4096]
        lockstep.backend.put(key, b"x" * (20 * MIB + 4))
        assert os.pread(file.fileno(), 4096, 17 * MIB) == block(17)[:4096]
        with pytest.raises(OSError, match="Input/output error"):
            os.pread(file.fileno(), 4096, 3 * MIB)
    assert "event=object-changed" in mount.text()
    assert mount.unmount() == 0
    lockstep.run("sync", "--stale=refresh", "--grace=0s", "--yes", check=(0, 1))
    mount = lockstep.mount()
    with open(mount.path / key, "rb") as file:
        assert file.read(100) == b"x" * 100
    assert mount.unmount() == 0


def test_an_open_file_stays_readable_when_it_is_renamed_replaced_or_removed(lockstep):
    folder = "products/p1/500ml/other-images"
    for name in ("a.bin", "b.bin", "c.bin"):
        uploaded(lockstep, 12, f"{folder}/{name}")
    mount = lockstep.mount()
    path = mount.path / folder
    with open(path / "a.bin", "rb", buffering=0) as a, open(path / "b.bin", "rb", buffering=0) as b:
        for file in (a, b):
            assert os.pread(file.fileno(), 4096, 11 * MIB) == block(11)[:4096]
        os.rename(path / "a.bin", path / "moved.bin")
        assert os.pread(a.fileno(), 4096, 5 * MIB) == block(5)[:4096]
        (path / "small.bin").write_bytes(b"small")
        os.rename(path / "small.bin", path / "b.bin")
        os.rename(mount.products / "p1/500ml", mount.products / "p1/1kg")
        path = mount.products / "p1/1kg/other-images"
        for i in range(12):
            assert os.pread(b.fileno(), 4096, i * MIB + 8192) == block(i)[8192:12288]
        assert os.pread(a.fileno(), 4096, 7 * MIB) == block(7)[:4096]
        os.unlink(path / "moved.bin")
        for i in range(12):
            assert os.pread(a.fileno(), 4096, i * MIB + 8192) == block(i)[8192:12288]
    assert (path / "b.bin").read_bytes() == b"small"
    assert_pattern(path / "c.bin", 12)
    assert mount.unmount() == 0
    lockstep.assert_in_step()
